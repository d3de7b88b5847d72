"""Boxes tile a picture, and what is bright in one of them is bright in that piece of the prepared pixels."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.images.boxes import cells, square_cells, whole
from engine.images.fixed_size import FixedSize
from engine.images.grids import Grid
from engine.images.image import Image
from engine.images.naflex import NaFlex
from engine.images.picture import PictureInput
from engine.images.placeholder import Placeholder
from engine.images.preprocessing import Preprocessing
from engine.images.reading import PictureReading
from engine.images.smart_resize import SmartResize
from engine.images.tiles import DynamicTiling, ImageSplitting

HOW = {"filter": "bilinear", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}

# The kind, how many rows of image embeddings a piece has, and the side of its patches' pixels that a row is of.
KINDS: dict[str, tuple[Preprocessing, int]] = {
    "colqwen2": (SmartResize(patch=14, min_pixels=56 * 56, max_pixels=28 * 28 * 60, **HOW), 1),
    "colqwen3": (SmartResize(patch=16, min_pixels=64 * 64, max_pixels=32 * 32 * 40, **HOW), 1),
    "colpali": (FixedSize(height=112, width=112, **HOW), 64),
    "cropped": (FixedSize(height=96, width=96, shortest_edge=112, **HOW), 36),
    "naflex": (NaFlex(patch=16, max_patches=64, **HOW), 1),
    "colmodernvbert": (ImageSplitting(tile=64, longest_edge=192, **HOW), 16),
    "one-tile": (ImageSplitting(tile=64, longest_edge=192, split=False, **HOW), 16),
    "nemotron": (DynamicTiling(tile=64, max_tiles=6, **HOW), 16),
    "nemotron-without-thumbnail": (DynamicTiling(tile=64, max_tiles=6, thumbnail=False, **HOW), 16),
}

sides = st.one_of(st.integers(1, 40), st.integers(1, 3000))


def reading_of(kind: str) -> PictureReading:
    preprocessing, rows = KINDS[kind]
    placeholder = Placeholder(text="<image>", token=7, rows=rows)
    return PictureReading(preprocessing=preprocessing, piece_cost=1.0, placeholder=placeholder)


def boxes_of(kind: str, image: Image) -> tuple[PictureInput, np.ndarray]:
    reading = reading_of(kind)
    picture = reading.lay_out(image)
    return picture, reading.boxes(picture)


def without_thumbnail(kind: str, picture: PictureInput, boxes: np.ndarray) -> np.ndarray:
    """The boxes of what the picture is cut into."""
    rows = KINDS[kind][1]
    return boxes[: picture.grid.cells * rows] if picture.pieces == picture.grid.cells + 1 else boxes


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(height=sides, width=sides)
def test_boxes_tile_the_picture(kind: str, height: int, width: int) -> None:
    assume(max(height, width) <= 200 * min(height, width))
    image = Image(np.zeros((height, width, 3), np.uint8))
    picture, boxes = boxes_of(kind, image)
    assert boxes.shape == (picture.rows, 4)
    thumbnail = boxes[len(without_thumbnail(kind, picture, boxes)) :]
    boxes = without_thumbnail(kind, picture, boxes)
    left, top, right, bottom = boxes.T
    assert (left < right).all()
    assert (top < bottom).all()
    # They make a grid, row by row, whose cells share their edges: nothing is left out, and nothing covered twice.
    rights, bottoms = np.unique(right.round(6)), np.unique(bottom.round(6))
    assert len(rights) * len(bottoms) == len(boxes)
    assert set(left.round(6)) == {left.min().round(6), *rights[:-1]}
    assert set(top.round(6)) == {top.min().round(6), *bottoms[:-1]}
    assert len(np.unique(boxes.round(6), axis=0)) == len(boxes)
    if kind == "cropped":
        # As much on the left as on the right, but for a pixel of the resized picture.
        pixel = min(height, width) / 112
        assert left.min() == pytest.approx(width - right.max(), abs=2 * pixel)
        assert top.min() == pytest.approx(height - bottom.max(), abs=2 * pixel)
        assert (left.min(), top.min()) >= (0, 0)
        assert right.max() - left.min() == pytest.approx(96 * pixel, rel=0.02)
    else:
        assert boxes.min(axis=0)[:2].tolist() == [0, 0]
        assert boxes.max(axis=0)[2:] == pytest.approx([width, height])
    if len(thumbnail):
        side = int(len(thumbnail) ** 0.5)
        assert thumbnail == pytest.approx(cells(whole(height, width), Grid(side, side)))


def brightness(kind: str, pixels: np.ndarray, picture: PictureInput) -> np.ndarray:
    """The mean of what each row of image embeddings is made of, `[rows]`."""
    preprocessing, rows = KINDS[kind]
    match preprocessing:
        case SmartResize(merge=merge):
            return pixels.reshape(-1, merge**2 * pixels.shape[1]).mean(axis=1)
        case NaFlex():
            return pixels.mean(axis=1)
        case _:
            side = int(rows**0.5)
            patch = pixels.shape[-1] // side
            patches = pixels.reshape(len(pixels), 3, side, patch, side, patch).mean(axis=(1, 3, 5))
            return patches.reshape(picture.rows)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(st.integers(60, 700), st.integers(60, 700), st.integers(0, 2**32 - 1))
def test_what_is_bright_in_a_box_is_bright_in_its_piece(kind: str, height: int, width: int, seed: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    picture, boxes = boxes_of(kind, Image(pixels))
    chosen = int(np.random.default_rng(seed).integers(len(without_thumbnail(kind, picture, boxes))))
    left, top, right, bottom = boxes[chosen].round().astype(int)
    assume(right - left >= 4 and bottom - top >= 4)
    pixels[top:bottom, left:right] = 255
    image = Image(pixels)
    preprocessing = KINDS[kind][0]
    bright = brightness(kind, preprocessing.prepare(image).pixels, picture)
    count = len(without_thumbnail(kind, picture, boxes))
    assert int(bright[:count].argmax()) == chosen
    # The thumbnail's box in which the square's middle lies is bright, too, as far as the square fills it.
    for place in range(count, len(boxes)):
        x0, y0, x1, y1 = boxes[place]
        overlap = max(0.0, min(x1, right) - max(x0, left)) * max(0.0, min(y1, bottom) - max(y0, top))
        assert bright[place] == pytest.approx(overlap / ((x1 - x0) * (y1 - y0)), abs=0.2)


def test_cells_of_boxes() -> None:
    cut = cells(np.array([[0, 0, 6, 2], [6, 0, 7, 1]], np.float64), Grid(1, 2))
    assert cut.tolist() == [[0, 0, 3, 2], [3, 0, 6, 2], [6, 0, 6.5, 1], [6.5, 0, 7, 1]]
    assert square_cells(whole(4, 8), 4).tolist() == [[0, 0, 4, 2], [4, 0, 8, 2], [0, 2, 4, 4], [4, 2, 8, 4]]
    # Rows that are no square grid may be of anything in their piece.
    assert square_cells(whole(4, 8), 3).tolist() == [[0, 0, 8, 4]] * 3
