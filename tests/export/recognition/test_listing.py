"""The table of families against the tests that cover it, and against the README."""

from pathlib import Path

import pytest

from checkpoints.families import BUILDERS
from export.__main__ import main
from export.recognition.families import FAMILIES
from export.recognition.listing import table

README = Path(__file__).parents[3] / "README.md"


def test_every_row_has_a_checkpoint_in_the_tests_and_every_checkpoint_a_row():
    assert sorted(family.name for family in FAMILIES) == sorted(BUILDERS)


def test_the_readme_has_the_table_that_the_command_prints(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--list"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.strip() == table()
    assert table() in README.read_text(encoding="utf-8"), "put what `python -m export --list` prints into the README"
