"""Holds a decoded picture and the digest that tells it from others."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput

Pixels = NDArray[np.uint8]
"""Red, green and blue `[height, width, 3]`."""


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded picture.

    `pixels` is uint8 `[height, width, 3]`: red, green and blue. An array that its owner could change is copied.
    `digest` is the SHA-256 of the size and the pixels, in hex: pictures are equal where their digests are, whatever
    file format they came in. `format` is that of its file, as Pillow names it, and `bit_depth` how many bits a pixel
    has there; both say nothing about `pixels`.

    Raises `InvalidInput` for an array of another type or shape.
    """

    pixels: Pixels = field(compare=False, repr=False)
    format: str | None = field(default=None, compare=False, repr=False)
    bit_depth: int = field(default=24, compare=False, repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        given = np.asarray(self.pixels)
        if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or not given.size:
            raise InvalidInput(
                f"A picture is an array of uint8 [height, width, 3], not {given.dtype} {list(given.shape)}: convert it."
            )
        pixels = np.array(given, order="C") if given.flags.writeable else np.ascontiguousarray(given)
        pixels.flags.writeable = False
        digest = hashlib.sha256(f"{pixels.shape[0]} {pixels.shape[1]} ".encode())
        digest.update(pixels.data)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "digest", digest.hexdigest())

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])
