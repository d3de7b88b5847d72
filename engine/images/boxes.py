"""Computes where on a picture the pieces lie that are made of it: boxes in its own pixels."""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .grids import Grid

Boxes: TypeAlias = NDArray[np.float64]
"""Left, top, right and bottom `[boxes, 4]`, in pixels of the picture; no whole numbers where it was resized."""


def whole(height: int, width: int) -> Boxes:
    """The one box of a picture of that size."""
    return np.array([[0, 0, width, height]], np.float64)


def cells(boxes: Boxes, grid: Grid) -> Boxes:
    """The boxes `[boxes * cells, 4]` that a grid cuts each box into, row by row."""
    start, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    places = np.indices(grid).reshape(2, -1).T[:, ::-1]  # columns are left and right
    sides = np.array([grid.columns, grid.rows])
    # Neighbours share their edge to the bit, because both compute it alike.
    return np.concatenate([start + size * places / sides, start + size * (places + 1) / sides], axis=2).reshape(-1, 4)


def square_cells(boxes: Boxes, count: int) -> Boxes:
    """The boxes `[boxes * count, 4]` of the square grid that each box is cut into.

    Where `count` is no square, what they are of is not known, and each is the whole box.
    """
    side = math.isqrt(count)
    return cells(boxes, Grid(side, side)) if side * side == count else boxes.repeat(count, axis=0)
