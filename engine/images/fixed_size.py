"""Prepares pictures for towers that see one size: CLIP, SigLIP, SigLIP2 of fixed size, and ColPali's PaliGemma."""

import numpy as np

from .boxes import Boxes, whole
from .grids import Grid
from .image import Image
from .processor import ImageProcessor, Prepared, check_ratio


class FixedSize(ImageProcessor, frozen=True, kw_only=True, tag="fixed-size"):
    """Resizes to `height` x `width`, whatever the picture's aspect (transformers' `SiglipImageProcessor`).

    With `shortest_edge`, the shorter side is resized to that, the aspect kept, and `height` x `width` cut from the
    middle (`CLIPImageProcessor`); pictures of an aspect over 200 are refused. The pixels are `[1, 3, height, width]`
    and the grid is 1 x 1. Raises `ValueError` where the cut would not fit.
    """

    height: int
    width: int
    shortest_edge: int | None = None

    def __post_init__(self) -> None:
        if self.shortest_edge is not None and self.shortest_edge < max(self.height, self.width):
            raise ValueError("shortest_edge is less than what is cut from the middle")

    def grid(self, height: int, width: int) -> Grid:
        """What a picture of that size is cut into. Raises `InvalidInput` for an aspect over 200."""
        if self.shortest_edge is not None:
            check_ratio(height, width)  # the longer side grows with the shorter, to be cut off and to fill memory
        return Grid(1, 1)

    def pieces(self, grid: Grid) -> int:
        """How many pictures of its size the vision graph sees of one: that one."""
        return 1

    def boxes(self, height: int, width: int) -> Boxes:
        """Where on a picture of that size lies what the vision graph sees."""
        if self.shortest_edge is None:
            return whole(height, width)
        rows, columns = self._resized(height, width)
        top, left = self._corner(rows, columns)
        seen: Boxes = np.array([[left, top, left + self.width, top + self.height]], np.float64)
        seen *= np.tile([width / columns, height / rows], 2)
        return seen

    def prepare(self, image: Image) -> Prepared:
        """Make the pixels of a picture. Raises `InvalidInput` for an aspect over 200."""
        grid = self.grid(image.height, image.width)
        if self.shortest_edge is None:
            pixels = self.resize(image.pixels, self.height, self.width)
        else:
            height, width = self._resized(image.height, image.width)
            top, left = self._corner(height, width)
            resized = self.resize(image.pixels, height, width)
            pixels = resized[top : top + self.height, left : left + self.width]
        return Prepared(self.normalize(pixels)[None], grid)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """The size that the shorter side gives."""
        assert self.shortest_edge is not None, "others are resized to what is seen"
        shorter = min(height, width)
        return int(self.shortest_edge * height / shorter), int(self.shortest_edge * width / shorter)

    def _corner(self, height: int, width: int) -> tuple[int, int]:
        """The top and the left of what is cut from the middle of a resized picture."""
        return (height - self.height) // 2, (width - self.width) // 2
