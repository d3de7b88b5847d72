"""Places pictures among the tokens of an input: which token reads which row of which picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Self

import numpy as np

from ..arrays import Floats, Ids
from ..images.grids import token_positions
from ..images.picture import PictureInput


@dataclass(frozen=True, slots=True)
class Placed:
    """The pictures of one input, in the order of their placeholders.

    `rows` is int64 `[tokens]`: 0 for a token of text, else the number of its row among the rows of all the pictures,
    from 1. `positions` is int64 `[3, tokens]` where the text graph reads some. `embeddings` are each picture's image
    embeddings `[levels, rows, dim]`, once they are computed.
    """

    pictures: tuple[PictureInput, ...]
    rows: Ids
    positions: Ids | None = None
    embeddings: tuple[Floats, ...] = ()

    @classmethod
    def of(cls, ids: Ids, marked: Ids, pictures: Sequence[PictureInput], merge: int | None) -> Self:
        """Pictures of which the tokens `marked`, by their places in `ids`, read a row each, in order.

        `merge` is the side of the blocks of patches that became a token, where positions go by it.
        """
        rows = np.zeros(len(ids), np.int64)
        rows[marked] = np.arange(1, len(marked) + 1)
        grids = [picture.grid for picture in pictures]
        positions = None if merge is None else token_positions(rows > 0, grids, merge)
        return cls(tuple(pictures), rows, positions)

    @property
    def identity(self) -> bytes:
        """A digest of the pictures and of where they stand."""
        digest = blake2b(self.rows.tobytes(), digest_size=32)
        for picture in self.pictures:
            digest.update(picture.identity)
        return digest.digest()

    @property
    def first(self) -> int:
        """The place of the first token that reads a picture."""
        return int(np.argmax(self.rows > 0))

    def computed(self, embeddings: Mapping[PictureInput, Floats]) -> Self:
        """The same with its pictures' embeddings."""
        return replace(self, embeddings=tuple(embeddings[picture] for picture in self.pictures))
