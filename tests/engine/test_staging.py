"""A folder is there whole or not at all, whatever ends its writing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import StagingError
from engine.staging import staged


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "artifact"
    with staged(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert [path.name for path in target.parent.iterdir()] == ["artifact"]


def fill_up(folder: Path) -> None:
    (folder / "new").touch()
    raise OSError("full")


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError, match="full"), staged(target) as folder:
        fill_up(folder)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_a_target_that_exists_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "old").touch()
    with staged(target) as folder:
        (folder / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]


def _pid_of_nobody() -> int:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(done.stdout)


def test_what_a_killed_process_left_is_cleared_and_a_running_ones_is_not(tmp_path: Path) -> None:
    nobody, running = _pid_of_nobody(), os.getppid()
    abandoned = tmp_path / f".artifact.{nobody}.partial"
    others = tmp_path / f".artifact.{running}.partial"
    unrelated = tmp_path / f".artifact.{nobody}.notes"
    for folder in (abandoned, others, unrelated):
        folder.mkdir()
    with staged(tmp_path / "artifact") as folder:
        (folder / "a").touch()
    assert {path.name for path in tmp_path.iterdir()} == {"artifact", others.name, unrelated.name}


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    """The old folder was moved aside, and the new one not yet in place."""
    aside = tmp_path / f".artifact.{_pid_of_nobody()}.replaced"
    aside.mkdir()
    (aside / "old").touch()
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "artifact"):
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "artifact").iterdir()] == ["old"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StagingError, match=r"file cannot be written: .*\.$"), staged(tmp_path / "file" / "artifact"):
        pytest.fail("there is nothing to write into")
