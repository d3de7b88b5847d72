"""Writes an artifact so that it is there whole, or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from engine import staging
from engine.errors import StagingError

from .errors import ExportError


@contextlib.contextmanager
def staged(target: Path, force: bool) -> Iterator[Path]:
    """A folder beside `target`, as from `engine.staging.staged`.

    Raises `ExportError` for a target that exists (unless `force`) or cannot be written.
    """
    if target.exists() and not force:
        raise ExportError(f"{target} exists already: give another --name or --output, or replace it with --force.")
    try:
        with staging.staged(target) as folder:
            yield folder
    except StagingError as error:
        raise ExportError(str(error)) from None
