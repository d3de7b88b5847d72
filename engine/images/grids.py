"""Computes what a vision graph is told about sizes: positions, segments, windows, and weights of position tables.

None of it depends on pixels. All of it is given to the graph, so that one graph takes pictures of every size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

Numbers = NDArray[np.int64]


class Grid(NamedTuple):
    """Rows and columns of patches or tiles that a picture is cut into."""

    rows: int
    columns: int

    @property
    def cells(self) -> int:
        """Patches or tiles in all."""
        return self.rows * self.columns


def positions(grid: Grid, merge: int = 1) -> Numbers:
    """The row and column `[patches, 2]` of each patch, for rotary embeddings.

    Patches are in merge order: those of a block of `merge x merge`, which become one token, follow each other. Both
    sides of the grid are multiples of `merge` (transformers' `vision_utils.get_vision_position_ids`).
    """
    places = np.indices(grid, dtype=np.int64).reshape(2, grid.rows // merge, merge, grid.columns // merge, merge)
    return places.transpose(1, 3, 2, 4, 0).reshape(-1, 2)


def segments(grids: Sequence[Grid]) -> Numbers:
    """The number `[patches]` of the picture that each patch of a run is of: patches attend to their own picture."""
    return np.repeat(np.arange(len(grids)), [grid.cells for grid in grids])


def token_positions(is_image: NDArray[np.bool_], grids: Sequence[Grid], merge: int) -> Numbers:
    """The positions `[3, tokens]` of a prompt's tokens in time, height and width, for the text model of Qwen2-VL on.

    `is_image` `[tokens]` marks the tokens that stand for pictures, whose patches `grids` count. A picture's tokens
    begin at the position that is next, and what follows it at that plus the longer side of its merged grid
    (transformers' `Qwen2VLModel.get_rope_index`).
    """
    blocks = []
    token = position = 0
    for grid in grids:
        texts = int(np.argmax(is_image[token:]))
        merged = (1, grid.rows // merge, grid.columns // merge)
        blocks += [_count(position, texts), np.indices(merged).reshape(3, -1) + position + texts]
        position += texts + max(merged)
        token += texts + merged[1] * merged[2]
    return np.concatenate([*blocks, _count(position, len(is_image) - token)], axis=1, dtype=np.int64)


def _count(first: int, texts: int) -> Numbers:
    """Positions `[3, texts]` of text, the same on all axes."""
    return np.tile(np.arange(first, first + texts), (3, 1))


class Windows(NamedTuple):
    """Windows that attention is limited to.

    `order` `[tokens]` puts merged tokens window after window. `numbers` `[patches]` is the window of each patch in
    that order.
    """

    order: Numbers
    numbers: Numbers


def windows(grids: Sequence[Grid], merge: int, side: int) -> Windows:
    """The windows of pictures that follow each other in one run, as Qwen2.5-VL attends in.

    `side` is a window's, in merged tokens: `window_size // merge // patch`. Windows at the right and at the bottom are
    smaller where the grid is no multiple (transformers' `vision_utils.get_vision_window_index`).
    """
    windows = []
    first = 0
    for grid in grids:
        rows, columns = grid.rows // merge, grid.columns // merge
        tokens = np.arange(first, first + rows * columns).reshape(rows, columns)
        first += rows * columns
        windows += [
            tokens[row : row + side, column : column + side].ravel()
            for row in range(0, rows, side)
            for column in range(0, columns, side)
        ]
    sizes = [window.size * merge**2 for window in windows]
    return Windows(np.concatenate(windows), np.repeat(np.arange(len(windows)), sizes))


class Taps(NamedTuple):
    """Entries of a position table `[side * side]` that each patch mixes, and their weights, both `[patches, 4]`."""

    entries: Numbers
    weights: Floats


def bilinear_taps(grid: Grid, side: int, merge: int) -> Taps:
    """How Qwen3-VL resamples its table: bilinear, corners aligned, patches in merge order.

    The weights are those of transformers' `vision_utils.get_vision_interpolation_indices_and_weights`, to the bit.
    """
    places = positions(grid, merge)
    rows, row_weights = _linear(places[:, 0], grid.rows, side)
    columns, column_weights = _linear(places[:, 1], grid.columns, side)
    entries = rows[:, :, None] * side + columns[:, None, :]
    weights = row_weights[:, :, None] * column_weights[:, None, :]
    return Taps(entries.reshape(-1, 4), weights.reshape(-1, 4))


def _linear(index: Numbers, size: int, side: int) -> tuple[Numbers, Floats]:
    """The two entries `[n, 2]` of an axis of `side` that an index among `size` lies between, and their weights."""
    source = index.astype(np.float32) * np.float32(side - 1) / np.float32(max(size - 1, 1))
    below = np.floor(source)
    offsets = np.arange(2)
    distance = np.abs((source - below)[:, None] - offsets.astype(np.float32))
    return np.minimum(below.astype(np.int64)[:, None] + offsets, side - 1), np.maximum(1 - distance, 0)


def antialiased(grid: Grid, side: int) -> tuple[Floats, Floats]:
    """How SigLIP2 NaFlex resamples its table: bilinear with antialiasing, patches row by row.

    Returns the weights `[patches, side]` of the table's rows and of its columns for each patch: the embedding of a
    patch is the sum of `rows[i] * columns[j] * table[i, j]` (PyTorch's `interpolate(antialias=True)`).
    """
    rows, columns = _triangles(grid.rows, side), _triangles(grid.columns, side)
    return np.repeat(rows, grid.columns, axis=0), np.tile(columns, (grid.rows, 1))


def _triangles(size: int, side: int) -> Floats:
    """The weights `[size, side]` of a triangle filter that covers what an output of `size` takes from `side`.

    In float32 throughout, as PyTorch computes them: in float64 they would be 3e-6 away from its own.
    """
    scale = np.float32(side) / np.float32(size)
    centres = scale * (np.arange(size, dtype=np.float32)[:, None] + 0.5)
    distances = np.abs(np.arange(side, dtype=np.float32) - centres + 0.5)
    weights: Floats = np.maximum(1 - distances * min(1 / scale, np.float32(1)), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights
