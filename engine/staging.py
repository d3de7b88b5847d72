"""Writes a folder so that it is there whole, or not at all."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import StagingError


@contextlib.contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into, renamed into place when the block ends well and removed when it fails.

    A target that exists is replaced. What a killed process left beside the target is cleared by the next one. Raises
    `StagingError` where it cannot be written.
    """
    staging = target.parent / f".{target.name}.{os.getpid()}.partial"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(target)
        staging.mkdir()
    except OSError as error:
        raise StagingError(f"{target.parent} cannot be written: {error.strerror}.") from None
    try:
        yield staging
        _move_into_place(staging, target)
    except OSError as error:
        # Without a number it is some library's own complaint, not the system's about writing.
        if error.errno is None:
            raise
        raise StagingError(f"{target} could not be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move_into_place(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    replaced = staging.with_suffix(".replaced")
    target.rename(replaced)
    staging.rename(target)
    shutil.rmtree(replaced)


def _clear_abandoned(target: Path) -> None:
    pattern = re.compile(re.escape(f".{target.name}.") + r"(\d+)\.(partial|replaced)")
    for path in target.parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match is None or _is_running(int(match[1])):
            continue
        if match[2] == "replaced" and not target.exists():
            # The kill came between the two renames: the old artifact is still whole.
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
