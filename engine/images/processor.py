"""Resizes and normalises pixels as transformers' image processors in Pillow and numpy do, bit for bit."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from ..arrays import Floats
from ..errors import InvalidInput
from .grids import Grid
from .image import Pixels

Filter: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""A filter of Pillow's, by its name in `PIL.Image.Resampling`."""

Channels: TypeAlias = tuple[float, float, float]
"""A number each for red, green and blue."""

MAX_RATIO = 200
"""Qwen2-VL's processor refuses a longer side over 200 times the shorter."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as a vision graph takes it: the processor's kind says what `pixels` and `grid` are."""

    pixels: Floats
    grid: Grid


class ImageProcessor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds of processors do: resize by `filter`, multiply by `rescale`, subtract `mean`, divide by `std`."""

    filter: Filter
    mean: Channels
    std: Channels
    rescale: float = 1 / 255

    def resize(self, pixels: Pixels, height: int, width: int) -> Pixels:
        """Resize `[_, _, 3]` to `[height, width, 3]`."""
        import PIL.Image

        if pixels.shape[:2] == (height, width):
            return pixels
        how = PIL.Image.Resampling[self.filter.upper()]
        return np.asarray(PIL.Image.fromarray(pixels).resize((width, height), how))

    def normalize(self, pixels: Pixels) -> Floats:
        """Normalise `[height, width, 3]` to `[3, height, width]`.

        A table of the 256 levels gives the bits of arithmetic on each pixel, in a tenth of its time. transformers
        rescales in float64 and normalises in float32.
        """
        levels = (np.arange(256, dtype=np.float64) * self.rescale).astype(np.float32)
        normalized = np.empty((3, *pixels.shape[:2]), np.float32)
        for channel in range(3):
            table = (levels - np.float32(self.mean[channel])) / np.float32(self.std[channel])
            # numpy would check each index; uint8 can exceed no table of 256.
            np.take(table, pixels[:, :, channel], out=normalized[channel], mode="clip")
        return normalized


def check_ratio(height: int, width: int) -> None:
    """Refuse a picture whose longer side is over `MAX_RATIO` times the shorter, with `InvalidInput`."""
    if max(height, width) / min(height, width) > MAX_RATIO:
        raise InvalidInput(
            f"The image is {width} x {height} pixels, and one side may be at most {MAX_RATIO} times the other: crop it."
        )
