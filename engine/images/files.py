"""Opens the file of a picture by its path."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import InvalidInput


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A picture's file. Raises `InvalidInput` where there is none: a pipe, for one, would be waited for."""
    try:
        if not _is_file(path):
            raise InvalidInput(f"The picture {path} cannot be read: it is no file.")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidInput(f"The picture {path} cannot be read: {error.strerror or error}.") from None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except ValueError:  # NUL, and letters that no encoding has
        return False
