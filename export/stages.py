"""Names the stage of an export in which a library failed, as it does where a checkpoint's files say what cannot be."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import engine
from engine.progress import Progress, Report

from .errors import ExportError, one_line

_OURS = tuple(str(Path(file).parent) + "/" for file in (__file__, str(engine.__file__)))


@contextmanager
def stage(progress: Progress, name: str) -> Iterator[Report]:
    """As `Progress.stage`. Raises `ExportError` for what a library raises in the block.

    What code of ours raises is left as it is, to be reported with its traceback, and so is what the machine lacks.
    """
    with progress.stage(name) as report:
        try:
            yield report
        except (MemoryError, OSError):
            raise
        except Exception as error:
            if _is_ours(error):
                raise
            raise ExportError(
                f"The export could not {name} ({one_line(error)}): correct what the checkpoint's config.json or "
                "another of its files says otherwise than its network is."
            ) from error


def _is_ours(error: Exception) -> bool:
    """Whether code of ours raised it, or handed something to a library's compiled code that refused it."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename.startswith(_OURS)
