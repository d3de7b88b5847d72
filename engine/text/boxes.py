"""Finds where on a content's pictures the tokens of its input lie."""

import numpy as np

from ..images.reading import PictureReading
from ..results import Box
from .layout import Input


def boxes_of(item: Input, reading: PictureReading | None) -> list[Box | None]:
    """The box of each token of an embedder's input; None for those of text."""
    if item.placed is None:
        return [None] * len(item)
    assert reading is not None, "the input has pictures"
    pictures = item.placed.pictures
    rows = np.concatenate([reading.boxes(picture) for picture in pictures]).tolist()
    images = np.repeat(np.arange(len(pictures)), [picture.rows for picture in pictures]).tolist()
    # One content's pictures stand in its prompt in their own order.
    return [Box(images[row - 1], *rows[row - 1]) if row else None for row in item.placed.rows.tolist()]
