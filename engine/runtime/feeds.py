"""Tells every input that a graph may have, and fills those that a graph does have.

Padding is on the right. That is a contract of artifacts: rows of output are cut at `len(item)`, heads read the first
token at 0, and attention is told only how many keys a sequence has.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import Feeds, Floats
from ..artifact.artifact import FIRST_KEY_LENGTHS, IMAGE_EMBEDDINGS, KEY_LENGTHS
from ..images.picture import PictureInput
from ..text.layout import Input

Shape: TypeAlias = tuple[int, int]
"""Of one run: its sequences, and the tokens of each with padding."""


@dataclass(frozen=True, slots=True)
class Run:
    """The inputs of one run, padded to `shape`. Their first `begin` tokens are past: an earlier run computed them.

    `no_picture` are zeros `[levels, 1, dim]`, what a token of text reads of pictures, for graphs that read some.
    """

    inputs: Sequence[Input]
    begin: int
    shape: Shape
    pad_token: int
    no_picture: Floats | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """One input of graphs. A dimension is a number, or a name where it varies; `fill` gives the array of one run."""

    dims: tuple[int | str, ...]
    fill: Callable[[Run], NDArray[Any]]


BATCH, TOKENS, ROWS = "batch", "tokens", "rows"
"""The names of the dimensions that vary: sequences of a run, tokens of a sequence, and rows of all its pictures."""

POSITIONS, IMAGE_ROWS = "positions", "image_rows"


def fill(names: Collection[str], run: Run) -> Feeds:
    """What a graph with inputs of these names is fed. A past is none of them: it stays where an earlier run left it."""
    return {name: feed.fill(run) for name, feed in FEEDS.items() if name in names}


def _input_ids(run: Run) -> NDArray[np.int64]:
    array = np.full(run.shape, run.pad_token, dtype=np.int64)
    for row, item in enumerate(run.inputs):
        array[row, : len(item) - run.begin] = item.input_ids[run.begin :]
    return array


def _attention_mask(run: Run) -> NDArray[np.int64]:
    """1 for the tokens that are attended to."""
    array = np.zeros(run.shape, dtype=np.int64)
    for row, attended in enumerate(_attended(run)):
        array[row, :attended] = 1
    return array


def _attended(run: Run) -> list[int]:
    """How many tokens of each sequence are attended to. One that fills up the shape attends to its first, or softmax
    gives NaN."""
    return [item.attended - run.begin for item in run.inputs] + [1] * (run.shape[0] - len(run.inputs))


def _token_type_ids(run: Run) -> NDArray[np.int64]:
    array = np.zeros(run.shape, dtype=np.int64)
    for row, item in enumerate(run.inputs):
        array[row, : len(item) - run.begin] = item.token_type_ids[run.begin :]
    return array


def _adapter(run: Run) -> NDArray[np.int64]:
    array = np.zeros(run.shape[0], dtype=np.int64)
    array[: len(run.inputs)] = [item.adapter for item in run.inputs]
    return array


def _key_lengths(run: Run, queries: int) -> NDArray[np.int32]:
    """`[batch]` tokens attended to, `[batch + 1]` where queries begin, `[batch + 1]` where keys begin."""
    sequences, tokens = run.shape
    places = np.arange(sequences + 1)
    return np.concatenate([_attended(run), places * queries, places * tokens]).astype(np.int32)


def _positions(run: Run) -> NDArray[np.int64]:
    """Those of text count its tokens, on all three axes."""
    array = np.zeros((3, *run.shape), dtype=np.int64)
    for row, item in enumerate(run.inputs):
        own = np.arange(len(item)) if item.placed is None else item.placed.positions
        assert own is not None, "a model with positions in two dimensions lays them out"
        array[:, row, : len(item) - run.begin] = own[..., run.begin :]
    return array


def _tables(run: Run) -> dict[PictureInput, tuple[int, Floats]]:
    """The image embeddings of the run's distinct pictures, each with the number of its first row: 0 is no picture's."""
    tables: dict[PictureInput, tuple[int, Floats]] = {}
    first = 1
    for item in run.inputs:
        if item.placed is not None:
            for picture, embeddings in zip(item.placed.pictures, item.placed.embeddings, strict=True):
                if picture not in tables:
                    tables[picture] = first, embeddings
                    first += picture.rows
    return tables


def _image_rows(run: Run) -> NDArray[np.int64]:
    """The row of the table that each token reads; 0 for text."""
    array = np.zeros(run.shape, dtype=np.int64)
    tables = _tables(run)
    for row, item in enumerate(run.inputs):
        if item.placed is not None:
            pictures = item.placed.pictures
            numbers = [np.arange(picture.rows) + tables[picture][0] for picture in pictures]
            array[row, : len(item) - run.begin] = np.concatenate([[0], *numbers])[item.placed.rows[run.begin :]]
    return array


def _image_embeddings(run: Run) -> Floats:
    assert run.no_picture is not None, "the graph reads pictures"
    return np.concatenate([run.no_picture, *(embeddings for _, embeddings in _tables(run).values())], axis=1)


FEEDS: dict[str, Feed] = {
    "input_ids": Feed((BATCH, TOKENS), _input_ids),
    "attention_mask": Feed((BATCH, TOKENS), _attention_mask),
    "token_type_ids": Feed((BATCH, TOKENS), _token_type_ids),
    "adapter": Feed((BATCH,), _adapter),
    POSITIONS: Feed((3, BATCH, TOKENS), _positions),
    IMAGE_ROWS: Feed((BATCH, TOKENS), _image_rows),
    IMAGE_EMBEDDINGS: Feed(("<levels>", ROWS, "<dim>"), _image_embeddings),
    KEY_LENGTHS: Feed((KEY_LENGTHS,), lambda run: _key_lengths(run, run.shape[1])),
    FIRST_KEY_LENGTHS: Feed((FIRST_KEY_LENGTHS,), lambda run: _key_lengths(run, 1)),
}
"""By name. An input of another name cannot be fed: adding one here, and to what traces it, is all that it takes."""
