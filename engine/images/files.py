"""Opens and decodes the file of a picture by its path."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import InvalidInput
from .decode import DEFAULT_LIMITS, decode
from .image import Image


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


def decode_file(path: Path) -> Image:
    """Decode a picture's file. Raises `InvalidInput` as `opened` and `decode` do."""
    with opened(path) as file:
        # One byte more than may be decoded tells that a file is too large, however large it is.
        data = file.read(DEFAULT_LIMITS.max_bytes + 1)
    return decode(data)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except ValueError:  # NUL, and letters that no encoding has
        return False
