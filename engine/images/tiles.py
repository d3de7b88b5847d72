"""Prepares pictures as tiles of one size and a thumbnail of the whole: ColModernVBERT and Llama-Nemotron-VL."""

import math
from functools import cache

import numpy as np

from ..arrays import Floats
from .boxes import Boxes, cells, whole
from .grids import Grid
from .image import Image
from .processor import ImageProcessor, Prepared

MAX_EDGE = 4096
"""Idefics3 resizes no side past this, whatever its settings say."""


class ImageSplitting(ImageProcessor, frozen=True, kw_only=True, tag="image-splitting"):
    """Resizes the longer side to `longest_edge`, then both to multiples of `tile`, and cuts tiles.

    As transformers' `Idefics3ImageProcessor` does, whose `max_image_size` is `tile` and `size.longest_edge` is
    `longest_edge`. The pixels are `[tiles, 3, tile, tile]`, row by row; where there are several, the whole picture
    resized to one tile comes last. The grid counts tiles without it. Without `split` the picture becomes one tile.
    """

    tile: int
    longest_edge: int
    split: bool = True

    def grid(self, height: int, width: int) -> Grid:
        """What a picture of that size is cut into."""
        return self._grid(*self._first_size(height, width))

    def pieces(self, grid: Grid) -> int:
        """How many tiles the vision graph sees of a picture of that grid: the whole one, too, where it is cut."""
        return grid.cells + (grid.cells > 1)

    def boxes(self, height: int, width: int) -> Boxes:
        """Where on a picture of that size each of those tiles lies."""
        return _boxes(height, width, self.grid(height, width), whole_too=True)

    def _first_size(self, height: int, width: int) -> tuple[int, int]:
        """The size that the longer side gives, its aspect kept and the shorter side made even."""
        ratio = width / height
        if width >= height:
            width = self.longest_edge
            height = _even(int(width / ratio))
        else:
            height = self.longest_edge
            width = _even(int(height * ratio))
        return _bounded(max(height, 1), max(width, 1))

    def _grid(self, height: int, width: int) -> Grid:
        """The tiles that a picture of the first size makes: its longer side is rounded up first, and leads."""
        if not self.split:
            return Grid(1, 1)
        ratio = width / height
        if width >= height:
            columns = math.ceil(width / self.tile)
            return Grid(math.ceil(int(columns * self.tile / ratio) / self.tile), columns)
        rows = math.ceil(height / self.tile)
        return Grid(rows, math.ceil(int(rows * self.tile * ratio) / self.tile))

    def prepare(self, image: Image) -> Prepared:
        """Make the pixels of a picture."""
        height, width = self._first_size(image.height, image.width)
        grid = self._grid(height, width)
        first = self.resize(image.pixels, height, width)
        resized = self.resize(first, grid.rows * self.tile, grid.columns * self.tile)
        tiles = _tiles(self.normalize(resized), grid, self.tile)
        if grid.cells > 1:
            # The whole is made from what was resized already, not from the picture.
            whole = self.normalize(self.resize(resized, self.tile, self.tile))
            tiles = np.concatenate([tiles, whole[None]])
        return Prepared(tiles, grid)


class DynamicTiling(ImageProcessor, frozen=True, kw_only=True, tag="dynamic-tiling"):
    """Resizes to the grid of at most `max_tiles` tiles that suits the picture best, and cuts tiles.

    As Llama-Nemotron-VL's own processor does (`processing_llama_nemotron_vl.py`), in vLLM
    `transformers_utils/processors/nemotron_vl.py`: the best grid has the largest product of `min(area of the grid /
    area of the picture, 0.6)` and the closeness of both aspects. The pixels are `[tiles, 3, tile, tile]`, row by row;
    where there are several, the whole picture resized to one tile comes last if `thumbnail`. The grid counts tiles
    without it.
    """

    tile: int
    max_tiles: int
    thumbnail: bool = True

    def grid(self, height: int, width: int) -> Grid:
        """What a picture of that size is cut into."""
        ratio, area = width / height, width * height

        def fitness(grid: Grid) -> float:
            wanted = grid.columns / grid.rows
            return min(grid.cells * self.tile**2 / area, 0.6) * min(wanted / ratio, ratio / wanted)

        return max(_grids(self.max_tiles), key=fitness)

    def pieces(self, grid: Grid) -> int:
        """How many tiles the vision graph sees of a picture of that grid."""
        return grid.cells + (self.thumbnail and grid.cells > 1)

    def boxes(self, height: int, width: int) -> Boxes:
        """Where on a picture of that size each of those tiles lies."""
        return _boxes(height, width, self.grid(height, width), whole_too=self.thumbnail)

    def prepare(self, image: Image) -> Prepared:
        """Make the pixels of a picture."""
        grid = self.grid(image.height, image.width)
        resized = self.resize(image.pixels, grid.rows * self.tile, grid.columns * self.tile)
        tiles = _tiles(self.normalize(resized), grid, self.tile)
        if self.thumbnail and grid.cells > 1:
            whole = self.normalize(self.resize(image.pixels, self.tile, self.tile))
            tiles = np.concatenate([tiles, whole[None]])
        return Prepared(tiles, grid)


@cache
def _grids(most: int) -> list[Grid]:
    """The grids of at most `most` tiles, fewest first.

    Of two that suit equally well, the first is taken. Grids of as many tiles are in the order of a Python set that was
    filled in this order, since the authors sort one.
    """
    grids = {
        (columns, rows)
        for count in range(1, most + 1)
        for columns in range(1, count + 1)
        for rows in range(1, count + 1)
        if columns * rows <= most
    }
    return [Grid(rows, columns) for columns, rows in sorted(grids, key=lambda grid: grid[0] * grid[1])]


def _tiles(pixels: Floats, grid: Grid, tile: int) -> Floats:
    """Cut `[3, height, width]` into `[tiles, 3, tile, tile]`, row by row."""
    blocks = pixels.reshape(3, grid.rows, tile, grid.columns, tile)
    return blocks.transpose(1, 3, 0, 2, 4).reshape(grid.cells, 3, tile, tile)


def _boxes(height: int, width: int, grid: Grid, *, whole_too: bool) -> Boxes:
    """Where tiles lie, and the whole picture after them if it is a tile, too. No size is filled up: all is resized."""
    picture = whole(height, width)
    tiles = cells(picture, grid)
    return np.concatenate([tiles, picture]) if whole_too and grid.cells > 1 else tiles


def _even(side: int) -> int:
    return side + side % 2


def _bounded(height: int, width: int) -> tuple[int, int]:
    """The size of a picture whose sides are at most `MAX_EDGE`, its aspect kept."""
    ratio = width / height
    if width >= height and width > MAX_EDGE:
        return max(int(MAX_EDGE / ratio), 1), MAX_EDGE
    if height > width and height > MAX_EDGE:
        return MAX_EDGE, max(int(MAX_EDGE * ratio), 1)
    return height, width
