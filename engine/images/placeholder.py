"""Says which tokens of a prompt stand for a picture, whose embeddings take the place of theirs."""

from collections.abc import Sequence

import msgspec

from .grids import Grid


class TileMarks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tokens between the tiles of a picture, as Idefics3's processor writes them.

    `tiles` come before each tile, by its row and column; `between` rows of tiles; `whole` before the picture in one
    tile that follows them, `only` where that is all; `end` after it.
    """

    tiles: list[list[list[int]]]
    between: list[int]
    whole: list[int]
    only: list[int]
    end: list[int]


class Placeholder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands for a picture in a prompt.

    `text` is what a prompt has in its place; it becomes tokens among which `token` is once. That is repeated `rows`
    times for each piece that the preprocessing makes of the picture (`pieces`), with `marks` between tiles.
    """

    text: str
    token: int
    rows: int = 1
    marks: TileMarks | None = None

    def tokens(self, grid: Grid, pieces: int) -> list[int]:
        """The tokens that `token` is replaced with, for a picture of that grid and number of pieces."""
        piece = [self.token] * self.rows
        if self.marks is None:
            return piece * pieces
        if pieces == 1:
            return [*self.marks.only, *piece, *self.marks.end]
        rows = [_marked(marks[: grid.columns], piece) for marks in self.marks.tiles[: grid.rows]]
        between = [token for row in rows[:-1] for token in (*row, *self.marks.between)]
        return [*between, *rows[-1], *self.marks.whole, *piece, *self.marks.end]


def _marked(marks: Sequence[Sequence[int]], piece: Sequence[int]) -> list[int]:
    return [token for mark in marks for token in (*mark, *piece)]
