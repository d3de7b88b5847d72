"""Holds a document's picture until it is its turn: a file, or the bytes of one."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..images.decode import decode, measure
from ..images.files import decode_file, opened
from ..images.image import Image


class Picture(Protocol):
    """What becomes a picture. Both raise `InvalidInput` for what cannot."""

    def size(self) -> tuple[int, int]:
        """Its height and width, by no more than a header."""

    def image(self) -> Image:
        """Its pixels."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture's file: where it is, or its bytes."""

    file: Path | bytes

    def size(self) -> tuple[int, int]:
        if isinstance(self.file, bytes):
            return measure(io.BytesIO(self.file))
        with opened(self.file) as file:
            return measure(file)

    def image(self) -> Image:
        return decode(self.file) if isinstance(self.file, bytes) else decode_file(self.file)
