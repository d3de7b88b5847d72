"""Writes an artifact so that it is there whole, or not at all, and sees before whether it can be written."""

import contextlib
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine import staging
from engine.errors import StagingError, TargetTaken

from .errors import ExportError


@contextlib.contextmanager
def staged(target: Path, force: bool) -> Iterator[Path]:
    """A folder beside `target`, as from `engine.staging.staged`.

    Raises `ExportError` for a target that exists (unless `force`), now or in the end, or that cannot be written.
    """
    check_target(target, force)
    try:
        with staging.staged(target, replace=force) as folder:
            yield folder
    except TargetTaken:
        raise _is_taken(target) from None
    except StagingError as error:
        raise ExportError(str(error)) from None


def check_target(target: Path, force: bool) -> None:
    """Raises `ExportError` for a target that exists (unless `force`), or whose folder cannot be written."""
    if not force and os.path.lexists(target):
        raise _is_taken(target)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            target.lstat()
    except OSError as error:
        raise ExportError(f"{target.parent} cannot be written: {error.strerror}.") from None
    place = _nearest(target)
    if not place.is_dir():
        raise ExportError(f"{target.parent} cannot be written: {place} is not a directory.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ExportError(f"{target.parent} cannot be written: you may not write into {place}.")


def check_space(target: Path, needed: int) -> None:
    """Raises `ExportError` where the disk of a target has less than `needed` bytes."""
    free = shutil.disk_usage(_nearest(target)).free
    if free < needed:
        raise ExportError(
            f"{target} needs about {math.ceil(needed / 1e6):,} MB and its disk has {math.floor(free / 1e6):,} MB: free "
            "some, or give another --output."
        )


def _is_taken(target: Path) -> ExportError:
    return ExportError(f"{target} exists already: give another --name or --output, or replace it with --force.")


def _nearest(target: Path) -> Path:
    """The folder that the target's will be made in, the nearest that is there."""
    return next(folder for folder in target.absolute().parents if os.path.lexists(folder))
