"""What is no file of a picture is one sentence, and nothing is waited for."""

import os
from pathlib import Path

import pytest

from engine import InvalidInput
from engine.content import read_content


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in [
        ("gone", "No such file or directory."),
        ("", "it is no file."),
        ("pipe", "it is no file."),
        ("a\0b", "it is no file."),
        ("\ud800", "it is no file."),
    ]:
        with pytest.raises(InvalidInput) as refused:
            read_content(tmp_path / name)
        assert str(refused.value) == f"The picture {tmp_path / name} cannot be read: {why}"
