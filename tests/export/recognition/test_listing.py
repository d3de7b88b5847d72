"""The table of families against the tests that cover it, and as the command prints it."""

import pytest

from checkpoints import families, multimodal
from export.__main__ import main
from export.recognition.families import FAMILIES, MULTIMODAL
from export.recognition.listing import table


def test_every_row_has_a_checkpoint_in_the_tests_and_every_checkpoint_a_row():
    assert sorted(family.name for family in FAMILIES) == sorted(families.BUILDERS)
    # It differs from jina-m0 in the names of its weights alone.
    known_twice = {"jina-m0-new-names"}
    assert {family.name for family in MULTIMODAL} == multimodal.BUILDERS.keys() - known_twice


def test_the_command_prints_the_table(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--list"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == table()
    assert table().count("\n") == len(FAMILIES) + len(MULTIMODAL) + 1
