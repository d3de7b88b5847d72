"""Writes a folder so that it is there whole, or not at all, and clears up what killed processes left.

A folder that is being written is locked (flock), and the system unlocks it when its process ends, however it does. So
nothing is taken for abandoned that another process, container or machine still writes, whatever their process ids are.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

from .errors import StagingError, TargetTaken

# What names end with: a process id, and what is random since other containers have the same ones.
_OWNER = r"\d+(?:-[0-9a-f]{8})?"


@contextlib.contextmanager
def staged(target: Path, replace: bool = True) -> Iterator[Path]:
    """A folder beside `target` to write into, renamed into place when the block ends well and removed when it fails.

    Folders that the target is in are made, too, and removed with it where they are empty.
    What a killed process left beside the target is cleared by the next one. Raises `StagingError` where the target
    cannot be written, and `TargetTaken` where it is there in the end and not to be replaced.
    """
    staging = target.parent / f".{target.name}.{_owner()}.partial"
    with contextlib.ExitStack() as held:
        try:
            # Removed again, last of all, where nothing comes to be in them.
            for folder in _made_parents(target):
                held.callback(_remove_empty, folder)
            _clear_abandoned(target)
            held.enter_context(_made(staging))
        except OSError as error:
            raise StagingError(f"{target.parent} cannot be written: {error.strerror}.") from None
        try:
            yield staging
            _move_into_place(staging, target, replace)
        except OSError as error:
            # Without a number it is some library's own complaint, not the system's about writing.
            if error.errno is None:
                raise
            raise StagingError(f"{target} could not be written: {error.strerror}.") from None


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files, removed when the block ends; those that killed processes left are, too.

    Raises `StagingError` where there is no place for it.
    """
    with contextlib.ExitStack() as held:
        try:
            there = Path(tempfile.gettempdir())
            for folder in there.glob("scorert-*"):
                if re.fullmatch(f"scorert-{_OWNER}", folder.name):
                    _remove_abandoned(folder)
            made = held.enter_context(_made(there / f"scorert-{_owner()}", mode=0o700))
        except OSError as error:
            raise _no_scratch(error) from None
        yield made


@contextlib.contextmanager
def writing_scratch() -> Iterator[None]:
    """For a block that writes into `scratch` alone: what the system says is of that place, and of no target."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise _no_scratch(error) from None


def _no_scratch(error: OSError) -> StagingError:
    into = f" into {tempfile.tempdir}" if tempfile.tempdir is not None else ""
    return StagingError(
        f"Temporary files cannot be written{into}: {error.strerror}; free some, or set TMPDIR to a folder with room."
    )


def _made_parents(target: Path) -> list[Path]:
    """Make the folders that a target is in. Returns those that were not there, the outermost first."""
    there = [folder for folder in reversed(target.absolute().parents) if not os.path.lexists(folder)]
    target.parent.mkdir(parents=True, exist_ok=True)
    return there


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def refuse_taken(target: Path) -> None:
    """Raises `TargetTaken` for a target that exists."""
    if os.path.lexists(target):
        raise TargetTaken(target)


def _owner() -> str:
    return f"{os.getpid()}-{token_hex(4)}"


@contextlib.contextmanager
def _made(folder: Path, mode: int = 0o777) -> Iterator[Path]:
    """A folder that is locked in the block, and removed afterwards if it is still there."""
    # It has another name until it is locked, so that nobody takes it for abandoned.
    made = folder.with_name(f"{folder.name}.new")
    made.mkdir(mode)
    lock = os.open(made, os.O_RDONLY)
    try:
        # Where a file system has no locks, the folder goes without, and is never taken for abandoned.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(folder)
        yield folder
    finally:
        for path in (made, folder):
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _move_into_place(staging: Path, target: Path, replace: bool) -> None:
    """Rename a folder. Raises `TargetTaken` where something else is there by now, which a rename tells at once."""
    while not _renamed(staging, target):
        if not replace:
            raise TargetTaken(target)
        replaced = staging.with_suffix(".replaced")
        with contextlib.suppress(FileNotFoundError):
            target.rename(replaced)
        try:
            done = _renamed(staging, target)
        except OSError:
            replaced.rename(target)
            raise
        _discard(replaced)
        if done:
            return


def _renamed(folder: Path, target: Path) -> bool:
    """Whether there was room: a rename replaces an empty folder alone."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            return False
        raise
    return True


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _clear_abandoned(target: Path) -> None:
    pattern = re.compile(re.escape(f".{target.name}.") + _OWNER + r"\.(partial|replaced)")
    for path in target.parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match is not None and match[1] == "replaced" and not os.path.lexists(target):
            # The kill came between the two renames: the old folder is still whole.
            path.rename(target)
        elif match is not None:
            _remove_abandoned(path)


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder that no process has locked."""
    with contextlib.suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
