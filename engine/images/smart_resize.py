"""Prepares pictures for the towers of Qwen2-VL, Qwen2.5-VL and Qwen3-VL: patches of pictures of any size."""

import math

import numpy as np

from .boxes import Boxes, cells, whole
from .grids import Grid
from .image import Image
from .processor import ImageProcessor, Prepared, check_ratio


class SmartResize(ImageProcessor, frozen=True, kw_only=True, tag="smart-resize"):
    """Resizes to multiples of `patch * merge` with `min_pixels` to `max_pixels` pixels, then cuts patches.

    As transformers' `Qwen2VLImageProcessor` does: its `size.shortest_edge` and `size.longest_edge` are numbers of
    pixels. The pixels are `[patches, 3 * temporal * patch * patch]`, patches in merge order (`grids.positions`) and
    the picture repeated as `temporal` frames; the grid counts patches, and each `merge * merge` become one token.
    Pictures of an aspect over 200 are refused.
    """

    patch: int
    min_pixels: int
    max_pixels: int
    merge: int = 2
    temporal: int = 2

    def grid(self, height: int, width: int) -> Grid:
        """What a picture of that size is cut into. Raises `InvalidInput` for an aspect over 200."""
        check_ratio(height, width)
        factor = self.patch * self.merge
        rows, columns = round(height / factor), round(width / factor)
        if rows * columns * factor**2 > self.max_pixels:
            shrink = math.sqrt(height * width / self.max_pixels)
            rows = max(1, math.floor(height / shrink / factor))
            columns = max(1, math.floor(width / shrink / factor))
        elif rows * columns * factor**2 < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (height * width))
            rows, columns = math.ceil(height * grow / factor), math.ceil(width * grow / factor)
        return Grid(rows * self.merge, columns * self.merge)

    def pieces(self, grid: Grid) -> int:
        """How many tokens the vision graph makes of a picture of that grid."""
        return grid.cells // self.merge**2

    def boxes(self, height: int, width: int) -> Boxes:
        """Where on a picture of that size each of those tokens lies."""
        grid = self.grid(height, width)
        return cells(whole(height, width), Grid(grid.rows // self.merge, grid.columns // self.merge))

    def prepare(self, image: Image) -> Prepared:
        """Make the pixels of a picture. Raises `InvalidInput` for an aspect over 200."""
        grid = self.grid(image.height, image.width)
        patch, merge = self.patch, self.merge
        pixels = self.normalize(self.resize(image.pixels, grid.rows * patch, grid.columns * patch))
        blocks = pixels.reshape(3, grid.rows // merge, merge, patch, grid.columns // merge, merge, patch)
        patches = blocks.transpose(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, None]
        frames = np.broadcast_to(patches, (*patches.shape[:5], self.temporal, patch, patch))
        return Prepared(frames.reshape(grid.cells, -1), grid)
