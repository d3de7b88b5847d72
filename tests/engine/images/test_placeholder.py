"""Which tokens stand for a picture: one piece, several, and tiles between marks."""

from engine.images.grids import Grid
from engine.images.placeholder import Placeholder, TileMarks

MARKS = TileMarks(
    tiles=[[[10 * row + column] for column in (1, 2, 3)] for row in (1, 2, 3)],
    between=[7],
    whole=[7, 7, 8],
    only=[8],
    end=[9],
)


def test_a_token_is_repeated_for_each_piece() -> None:
    placeholder = Placeholder(text="<image>", token=5, rows=2)
    assert placeholder.tokens(Grid(1, 1), 1) == [5, 5]
    assert placeholder.tokens(Grid(4, 6), 6) == [5] * 12


def test_tiles_stand_between_their_marks() -> None:
    placeholder = Placeholder(text="<image>", token=5, rows=2, marks=MARKS)
    assert placeholder.tokens(Grid(1, 1), 1) == [8, 5, 5, 9]
    assert placeholder.tokens(Grid(2, 2), 5) == [11, 5, 5, 12, 5, 5, 7, 21, 5, 5, 22, 5, 5, 7, 7, 8, 5, 5, 9]
    assert placeholder.tokens(Grid(1, 3), 4) == [11, 5, 5, 12, 5, 5, 13, 5, 5, 7, 7, 8, 5, 5, 9]
