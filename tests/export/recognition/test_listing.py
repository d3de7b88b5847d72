"""The table of families against the tests that cover it, and as the command prints it."""

import pytest

from checkpoints.families import BUILDERS
from export.__main__ import main
from export.recognition.families import FAMILIES
from export.recognition.listing import table


def test_every_row_has_a_checkpoint_in_the_tests_and_every_checkpoint_a_row():
    assert sorted(family.name for family in FAMILIES) == sorted(BUILDERS)


def test_the_command_prints_the_table(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--list"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == table()
    assert table().count("\n") == len(FAMILIES) + 1
