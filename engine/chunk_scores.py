"""Makes documents' scores of their chunks' scores. Chunks of all documents are in one list, document by document."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from .arrays import Floats
from .content import ReadContent, own_text
from .images.picture import PictureInput
from .results import Chunk, Chunks
from .text.chunking import Split
from .text.layout import Input

T = TypeVar("T")


def inputs_of(splits: Sequence[Split]) -> list[Input | PictureInput]:
    """The inputs of all chunks."""
    return [piece.item for own in splits for piece in own.pieces]


def repeated(values: Sequence[T], splits: Sequence[Split]) -> list[T]:
    """For each chunk its document's value."""
    return [value for value, own in zip(values, splits, strict=True) for _ in own.pieces]


def by_document(scores: Floats, splits: Sequence[Split]) -> list[Floats]:
    """The scores of each document's chunks."""
    return np.split(scores, np.cumsum([len(own.pieces) for own in splits[:-1]], dtype=int))


def chunks_of(documents: Sequence[ReadContent], splits: Sequence[Split], scores: Sequence[Floats]) -> list[Chunks]:
    """What is told of each document's chunks, from their scores by document."""
    return [
        Chunks(
            [
                Chunk(own_text(document)[piece.start : piece.end], piece.start, piece.end, score)
                for piece, score in zip(own.pieces, of_chunks.tolist(), strict=True)
            ],
            own.truncated,
        )
        for document, own, of_chunks in zip(documents, splits, scores, strict=True)
    ]
