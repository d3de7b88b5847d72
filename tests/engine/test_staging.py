"""A folder is there whole or not at all, whatever ends its writing."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import StagingError, TargetTaken
from engine.staging import scratch, staged


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


def test_a_failure_leaves_no_empty_folders(tmp_path: Path) -> None:
    target = tmp_path / "some" / "where" / "artifact"
    with pytest.raises(ZeroDivisionError), staged(target):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    (tmp_path / "some").mkdir()
    with pytest.raises(ZeroDivisionError), staged(target):
        raise ZeroDivisionError
    assert list(tmp_path.rglob("*")) == [tmp_path / "some"]
    with staged(target) as folder:
        (folder / "file").touch()
    assert (target / "file").exists()


def test_a_target_that_exists_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "old").touch()
    with staged(target) as folder:
        (folder / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]


WRITER = """
import sys, time
from pathlib import Path
from engine.staging import scratch, staged
with scratch() as temporary, staged(Path(sys.argv[1])) as folder:
    (folder / "a").touch()
    (temporary / "a").touch()
    print(folder, temporary, sep="\\n", flush=True)
    time.sleep(100)
"""


@contextmanager
def writing(target: Path, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A process that writes a target, with the folder that becomes it and its scratch folder."""
    command = [sys.executable, "-c", WRITER, str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})
    assert process.stdout is not None
    try:
        yield process, [Path(process.stdout.readline().strip()) for _ in range(2)]
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_process_left_is_cleared_and_a_running_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, temporary = tmp_path / "artifact", tmp_path / "tmp"
    unrelated = [tmp_path / ".artifact.1-aa.notes", tmp_path / ".artifact.two.partial", temporary / "scorert-models"]
    for folder in unrelated:
        folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with writing(target, temporary) as (_, others), writing(target, temporary) as (killed, abandoned):
        killed.kill()
        killed.wait()
        assert all(folder.exists() for folder in abandoned)
        with scratch(), staged(target):
            pass
        assert not any(folder.exists() for folder in abandoned)
        assert all((folder / "a").exists() for folder in others)
    assert all(folder.exists() for folder in unrelated)


def test_a_process_with_the_same_number_elsewhere_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every container has a process 1, and they may share a volume."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with staged(tmp_path / "artifact") as first, staged(tmp_path / "artifact", replace=False) as second:
        assert first != second
        assert first.is_dir()
        (first / "a").touch()
    assert first.parent == tmp_path


def test_the_second_of_two_is_refused_in_the_end(tmp_path: Path) -> None:
    target = tmp_path / "artifact"

    def write(name: str) -> None:
        with staged(target, replace=False) as folder:
            (folder / name).touch()
            if name == "second":
                write("first")

    with pytest.raises(TargetTaken, match="artifact exists already: give another --output, or replace it with --force"):
        write("second")
    assert [path.name for path in target.iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_taken_and_replaced_as_one(tmp_path: Path, kind: str) -> None:
    target, elsewhere = tmp_path / "artifact", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").touch()
    if kind == "file":
        target.touch()
    else:
        target.symlink_to(elsewhere)
    with pytest.raises(TargetTaken), staged(target, replace=False):
        pass
    with staged(target) as folder:
        (folder / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert (elsewhere / "a").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"artifact", "elsewhere"}


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    """The old folder was moved aside, and the new one not yet in place."""
    aside = tmp_path / ".artifact.1-0a0a0a0a.replaced"
    aside.mkdir()
    (aside / "old").touch()
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "artifact"):
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "artifact").iterdir()] == ["old"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StagingError, match=r"file cannot be written: .*\.$"), staged(tmp_path / "file" / "artifact"):
        pytest.fail("there is nothing to write into")
