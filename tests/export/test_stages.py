"""A stage of an export in which a library fails ends it in a sentence; a fault of ours is left to be reported."""

import io
import json

import pytest
from rich.console import Console

from engine.errors import InvalidInput
from engine.progress import Progress
from engine.text.truncation import room
from export.errors import ExportError
from export.stages import stage

QUIET = Progress(Console(file=io.StringIO()))


def test_what_a_library_raises_is_a_sentence_that_names_the_stage() -> None:
    said = r"^The export could not convert to fp32 \(Expecting value: line 1 .*\): correct what the checkpoint's"
    with pytest.raises(ExportError, match=said), stage(QUIET, "convert to fp32"):
        json.loads("x")


def test_what_code_of_ours_raises_is_left_as_it_is() -> None:
    with pytest.raises(InvalidInput), stage(QUIET, "verify fp32"):
        room(2, 3)


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device")])
def test_what_the_machine_lacks_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), stage(QUIET, "convert to fp32"):
        raise error
