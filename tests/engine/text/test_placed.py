"""Pictures among tokens: their rows, positions and identity, and the table that a run is fed."""

import dataclasses

import numpy as np
import pytest

from engine.images.grids import Grid
from engine.images.image import Image
from engine.images.picture import PictureInput
from engine.runtime.feeds import Run, fill
from engine.text.layout import Input
from engine.text.placed import Placed

NAMES = {"input_ids", "positions", "image_rows", "image_embeddings"}
TOKEN = 9


FOUR = Grid(4, 4)


def picture(level: int, grid: Grid = FOUR) -> PictureInput:
    return PictureInput(Image(np.full((8, 8, 3), level, np.uint8)), grid, grid.cells // 4, grid.cells // 4, cost=1)


def placed(ids: list[int], *pictures: PictureInput, merge: int | None = 2) -> Input:
    array = np.array(ids)
    own = Placed.of(array, np.flatnonzero(array == TOKEN), pictures, merge)
    return Input(array, np.zeros_like(array), len(array), placed=own)


def computed(item: Input, width: int = 2) -> Input:
    """An input whose pictures' embeddings are their level in the first row, one more in the second, and so on."""
    assert item.placed is not None
    embeddings = {
        own: np.arange(own.rows, dtype=np.float32)[None, :, None].repeat(width, 2) + float(own.image.pixels[0, 0, 0])
        for own in item.placed.pictures
    }
    return dataclasses.replace(item, placed=item.placed.computed(embeddings))


def run(*inputs: Input) -> dict[str, np.ndarray]:
    shape = len(inputs), max(map(len, inputs))
    return fill(NAMES, Run(inputs, 0, shape, pad_token=0, no_picture=np.zeros((1, 1, 2), np.float32)))


def test_each_placeholder_reads_the_next_row() -> None:
    item = placed([1, TOKEN, TOKEN, TOKEN, TOKEN, 2, TOKEN, 3], picture(10), picture(20, Grid(2, 2)))
    assert item.placed is not None
    assert item.placed.rows.tolist() == [0, 1, 2, 3, 4, 0, 5, 0]
    assert item.placed.first == 1
    # A picture of 2 x 2 tokens takes as many positions as its longer side has.
    assert item.placed.positions is not None
    assert item.placed.positions.tolist() == [
        [0, 1, 1, 1, 1, 3, 4, 5],
        [0, 1, 1, 2, 2, 3, 4, 5],
        [0, 1, 2, 1, 2, 3, 4, 5],
    ]


def test_a_run_has_each_picture_once_and_every_token_its_row() -> None:
    first, second = picture(10), picture(50, Grid(2, 2))
    feeds = run(
        computed(placed([TOKEN, 1, TOKEN, TOKEN, TOKEN, TOKEN], second, first)),
        Input(np.array([4, 5]), np.zeros(2, np.int64), 2),
        computed(placed([1, TOKEN, TOKEN, TOKEN, TOKEN], first)),
    )
    table = feeds["image_embeddings"][0, :, 0]
    assert len(table) == 1 + second.rows + first.rows
    rows = feeds["image_rows"]
    assert table[rows[0]].tolist() == [50, 0, 10, 11, 12, 13]
    assert rows[1].tolist() == [0] * 6
    assert table[rows[2]].tolist() == [0, 10, 11, 12, 13, 0]
    assert feeds["positions"][:, 1, :2].tolist() == [[0, 1]] * 3


def test_a_run_of_texts_has_the_empty_row_alone() -> None:
    feeds = run(Input(np.array([4, 5]), np.zeros(2, np.int64), 2))
    assert feeds["image_embeddings"].shape == (1, 1, 2)
    assert not feeds["image_rows"].any()


@pytest.mark.parametrize(
    "other", [placed([TOKEN] * 4 + [1], picture(11)), Input(np.array([TOKEN] * 4 + [1]), np.zeros(5, np.int64), 5)]
)
def test_equal_tokens_of_other_pictures_are_another_input(other: Input) -> None:
    own = placed([TOKEN] * 4 + [1], picture(10))
    assert own.identity == placed([TOKEN] * 4 + [1], picture(10)).identity
    assert own.identity != other.identity
