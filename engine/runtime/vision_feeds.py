"""Tells every input that a vision graph may have, and fills those that a graph does have.

Positions go by the sizes of pictures alone, so they are computed here and not in the graph, which takes every size.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Feeds
from ..images.grids import Grid, Taps, antialiased, bilinear_taps, positions, windows
from ..images.naflex import pad
from ..images.processor import Prepared
from ..images.reading import Sides


@dataclass(frozen=True, slots=True)
class VisionRun:
    """The pictures of one run."""

    pictures: Sequence[Prepared]
    sides: Sides

    @property
    def grids(self) -> list[Grid]:
        return [picture.grid for picture in self.pictures]

    @property
    def patches(self) -> int:
        """The most that a picture has."""
        return max(grid.cells for grid in self.grids)


@dataclass(frozen=True, slots=True)
class VisionFeed:
    """One input of vision graphs. The named dimensions vary; `fill` gives the array of one run."""

    dims: tuple[str, ...]
    fill: Callable[[VisionRun], NDArray[Any]]


def fill_vision(names: Collection[str], run: VisionRun) -> Feeds:
    """What a graph with inputs of these names is fed."""
    return {name: feed.fill(run) for name, feed in VISION_FEEDS.items() if name in names}


PICTURES, PATCHES, WIDTH = "pictures", "patches", "width"
"""The names of dimensions: pictures or tiles of a run, patches of all or of the largest, and what is fixed."""


def _pixels(run: VisionRun) -> NDArray[Any]:
    """Pictures, tiles or patches one after the other."""
    return np.concatenate([picture.pixels for picture in run.pictures])


def _padded(run: VisionRun) -> NDArray[Any]:
    """Patches of each picture, zeros after them."""
    return pad([picture.pixels for picture in run.pictures], run.patches)[0]


def _patch_mask(run: VisionRun) -> NDArray[Any]:
    return (np.arange(run.patches) < np.array([grid.cells for grid in run.grids])[:, None]).astype(np.int64)


def _patch_positions(run: VisionRun) -> NDArray[Any]:
    return np.concatenate([positions(grid, run.sides.merge) for grid in run.grids])


def _taps(run: VisionRun) -> Taps:
    taps = [bilinear_taps(grid, run.sides.table, run.sides.merge) for grid in run.grids]
    return Taps(np.concatenate([own.entries for own in taps]), np.concatenate([own.weights for own in taps]))


def _table_weights(run: VisionRun, axis: int) -> NDArray[Any]:
    """The weights of the table's rows (`axis` 0) or columns for each patch; padding has the first patch's."""
    weights = np.empty((len(run.pictures), run.patches, run.sides.table), np.float32)
    for number, grid in enumerate(run.grids):
        own = antialiased(grid, run.sides.table)[axis]
        weights[number, : len(own)], weights[number, len(own) :] = own, own[0]
    return weights


VISION_FEEDS: dict[str, VisionFeed] = {
    "pixels": VisionFeed((PICTURES,), _pixels),
    "padded_patches": VisionFeed((PICTURES, PATCHES), _padded),
    "patch_mask": VisionFeed((PICTURES, PATCHES), _patch_mask),
    "patch_positions": VisionFeed((PATCHES,), _patch_positions),
    "taps": VisionFeed((PATCHES,), lambda run: _taps(run).entries),
    "tap_weights": VisionFeed((PATCHES,), lambda run: _taps(run).weights),
    "window_order": VisionFeed(("tokens",), lambda run: windows(run.grids, run.sides.merge, run.sides.window).order),
    "windows": VisionFeed((PATCHES,), lambda run: windows(run.grids, run.sides.merge, run.sides.window).numbers),
    "table_rows": VisionFeed((PICTURES, PATCHES), lambda run: _table_weights(run, 0)),
    "table_columns": VisionFeed((PICTURES, PATCHES), lambda run: _table_weights(run, 1)),
}
"""By name, with the leading dimensions that vary. An input of another name cannot be fed."""
