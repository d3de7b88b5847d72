"""Prepares pictures for SigLIP2 NaFlex: as many patches as a budget allows, the aspect kept."""

import math
from collections.abc import Sequence

import numpy as np

from ..arrays import Floats
from .boxes import Boxes, cells, whole
from .grids import Grid, Numbers
from .image import Image
from .processor import ImageProcessor, Prepared


class NaFlex(ImageProcessor, frozen=True, kw_only=True, tag="naflex"):
    """Resizes to the largest multiples of `patch` that hold at most `max_patches`, then cuts patches.

    As transformers' `Siglip2ImageProcessor` does, but for its padding to `max_patches`, which `pad` does. The pixels
    are `[patches, patch * patch * 3]`, patches row by row and channels last; the grid counts patches.
    """

    patch: int
    max_patches: int

    def grid(self, height: int, width: int) -> Grid:
        """What a picture of that size is cut into."""
        low, high = 1e-5 / 10, 100.0  # the bounds and the precision decide the last bit: they are transformers' own
        while high - low >= 1e-5:
            middle = (low + high) / 2
            if self._scaled(height, width, middle).cells <= self.max_patches:
                low = middle
            else:
                high = middle
        return self._scaled(height, width, low)

    def _scaled(self, height: int, width: int, scale: float) -> Grid:
        return Grid(*(max(1, math.ceil(size * scale / self.patch)) for size in (height, width)))

    def pieces(self, grid: Grid) -> int:
        """How many patches the vision graph sees of a picture of that grid."""
        return grid.cells

    def boxes(self, height: int, width: int) -> Boxes:
        """Where on a picture of that size each of those patches lies."""
        return cells(whole(height, width), self.grid(height, width))

    def prepare(self, image: Image) -> Prepared:
        """Make the pixels of a picture."""
        grid = self.grid(image.height, image.width)
        patch = self.patch
        pixels = self.normalize(self.resize(image.pixels, grid.rows * patch, grid.columns * patch))
        blocks = pixels.reshape(3, grid.rows, patch, grid.columns, patch)
        return Prepared(blocks.transpose(1, 3, 2, 4, 0).reshape(grid.cells, -1), grid)


def pad(pictures: Sequence[Floats], patches: int) -> tuple[Floats, Numbers]:
    """Put patches of pictures into one array `[pictures, patches, _]`, zeros after each, and the mask of patches."""
    padded = np.zeros((len(pictures), patches, pictures[0].shape[1]), np.float32)
    mask = np.zeros((len(pictures), patches), np.int64)
    for row, pixels in enumerate(pictures):
        padded[row, : len(pixels)] = pixels
        mask[row, : len(pixels)] = 1
    return padded, mask
