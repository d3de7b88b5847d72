"""Tells every input that a vision graph may have, and fills those that a graph does have.

A vision graph takes `pixels` in one of three forms, by the kind of image processor that makes them: whole pictures or
tiles of one size, the patches of one picture of any size, or the patches of several pictures, padded on the right.
Positions go by the sizes of pictures alone, so they are computed here and not in the graph, which takes every size.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Feeds, Floats
from ..images.grids import Grid, Taps, Windows, antialiased, bilinear_taps, positions, windows
from ..images.naflex import pad
from ..images.processor import Prepared
from ..images.reading import Sides

PIXELS, PATCH_MASK = "pixels", "patch_mask"

PICTURES, PATCHES = "pictures", "patches"
"""The names of the dimensions that vary: pictures or tiles of a run, and patches of a picture."""

Dims = dict[str, tuple[int | str, ...]]
"""The dimensions of inputs by name. One is a number, a name where it varies from run to run, or depends on the model:
those names are in angle brackets, and graphs have numbers there."""

WHOLE_PICTURES: Dims = {PIXELS: (PICTURES, 3, "<height>", "<width>")}
"""`FixedSize`, `ImageSplitting` and `DynamicTiling`."""

PATCHES_OF_ONE: Dims = {
    PIXELS: (PATCHES, "<values>"),
    "patch_positions": (PATCHES, 2),
    "taps": (PATCHES, 4),
    "tap_weights": (PATCHES, 4),
    "window_order": ("merged_patches",),
    "windows": (PATCHES,),
}
"""`SmartResize`: `grids.positions`, `grids.bilinear_taps` and `grids.windows` of one picture."""

PADDED_PATCHES: Dims = {
    PIXELS: (PICTURES, PATCHES, "<values>"),
    PATCH_MASK: (PICTURES, PATCHES),
    "table_rows": (PICTURES, PATCHES, "<side>"),
    "table_columns": (PICTURES, PATCHES, "<side>"),
}
"""`NaFlex`: `naflex.pad`, and `grids.antialiased`, whose weights for padding are any."""


@dataclass(frozen=True)
class VisionRun:
    """The pictures of one run, which is `padded` where each has a row of its own.

    What several inputs are parts of is computed once.
    """

    pictures: Sequence[Prepared]
    sides: Sides
    padded: bool

    @property
    def grids(self) -> list[Grid]:
        return [picture.grid for picture in self.pictures]

    @property
    def patches(self) -> int:
        """The most that a picture has."""
        return max(grid.cells for grid in self.grids)

    @cached_property
    def taps(self) -> Taps:
        taps = [bilinear_taps(grid, self.sides.table, self.sides.merge) for grid in self.grids]
        return Taps(np.concatenate([own.entries for own in taps]), np.concatenate([own.weights for own in taps]))

    @cached_property
    def windows(self) -> Windows:
        return windows(self.grids, self.sides.merge, self.sides.window)

    @cached_property
    def tables(self) -> list[tuple[Floats, Floats]]:
        """The weights of the table's rows and of its columns for each picture."""
        return [antialiased(grid, self.sides.table) for grid in self.grids]


def fill_vision(names: Collection[str], pictures: Sequence[Prepared], sides: Sides) -> Feeds:
    """What a graph with inputs of these names is fed for a run of pictures."""
    run = VisionRun(pictures, sides, PATCH_MASK in names)
    return {name: _FILLS[name](run) for name in names}


def _pixels(run: VisionRun) -> NDArray[Any]:
    pixels = [picture.pixels for picture in run.pictures]
    return pad(pixels, run.patches)[0] if run.padded else np.concatenate(pixels)


def _patch_mask(run: VisionRun) -> NDArray[Any]:
    return (np.arange(run.patches) < np.array([grid.cells for grid in run.grids])[:, None]).astype(np.int64)


def _patch_positions(run: VisionRun) -> NDArray[Any]:
    return np.concatenate([positions(grid, run.sides.merge) for grid in run.grids])


def _table_weights(run: VisionRun, axis: int) -> NDArray[Any]:
    """The weights of the table's rows (`axis` 0) or columns for each patch; padding has the first patch's."""
    weights = np.empty((len(run.pictures), run.patches, run.sides.table), np.float32)
    for number, table in enumerate(run.tables):
        own = table[axis]
        weights[number, : len(own)], weights[number, len(own) :] = own, own[0]
    return weights


_FILLS: dict[str, Callable[[VisionRun], NDArray[Any]]] = {
    PIXELS: _pixels,
    PATCH_MASK: _patch_mask,
    "patch_positions": _patch_positions,
    "taps": lambda run: run.taps.entries,
    "tap_weights": lambda run: run.taps.weights,
    "window_order": lambda run: run.windows.order,
    "windows": lambda run: run.windows.numbers,
    "table_rows": lambda run: _table_weights(run, 0),
    "table_columns": lambda run: _table_weights(run, 1),
}
"""By name. An input of another name cannot be fed."""
