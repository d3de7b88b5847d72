"""Says how a model reads pictures, as its manifest has it, and lays one out for the vision graph and for a prompt."""

import math
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from ..errors import InvalidInput
from .boxes import Boxes, square_cells
from .image import Image
from .picture import PictureInput
from .placeholder import Placeholder
from .preprocessing import Preprocessing

_Side: TypeAlias = Annotated[int, Meta(ge=0, lt=2**16)]


class Sides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the positions in a vision graph go by, each 0 where a tower has none.

    `merge` is the side of a block of patches that becomes one token, `table` that of the table of positions which is
    resampled to a picture's grid, `window` that of a window which attention is limited to, in tokens.
    """

    merge: _Side = 0
    table: _Side = 0
    window: _Side = 0


class PictureReading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model reads pictures.

    With a `placeholder` the vision graph's image embeddings take the place of its tokens' own in the text graph, at
    positions in two dimensions if `in_two_dimensions` (Qwen2-VL on; `grids.token_positions`). Without one the vision
    graph embeds a picture whole, as CLIP's does, and no text stands beside it.

    Without `on_queries` its prompt has a place for pictures in documents alone.

    `sides` are what the vision graph's positions go by. `piece_cost` is how many tokens of the text graph cost as much
    as a piece of a picture, by the products of both graphs.
    """

    preprocessing: Preprocessing
    piece_cost: Annotated[float, Meta(ge=0)]
    sides: Sides = Sides()
    placeholder: Placeholder | None = None
    in_two_dimensions: bool = False
    on_queries: bool = True

    def lay_out(self, image: Image) -> PictureInput:
        """A picture for the vision graph. Raises `InvalidInput` for a size that the model does not take."""
        grid = self.preprocessing.grid(image.height, image.width)
        pieces = self.preprocessing.pieces(grid)
        rows = pieces * self.placeholder.rows if self.placeholder is not None else 1
        return PictureInput(image, grid, pieces, rows, max(1, math.ceil(pieces * self.piece_cost)))

    def check_together(self, pictures: int, text: str) -> None:
        """Raises `InvalidInput` where a model that embeds a picture whole is given something beside one."""
        if self.placeholder is None and (pictures > 1 or text):
            raise InvalidInput("This model embeds one text or one picture at a time: send them as inputs of their own.")

    def tokens(self, picture: PictureInput) -> list[int]:
        """The tokens that stand for a picture. Raises `InvalidInput` where no text graph reads it."""
        if self.placeholder is None:
            raise InvalidInput("This model embeds a picture by itself: send texts and pictures apart.")
        return self.placeholder.tokens(picture.grid, self.preprocessing.pieces(picture.grid))

    def boxes(self, picture: PictureInput) -> Boxes:
        """Where on the picture each row of its image embeddings lies, `[rows, 4]`.

        Several rows of a piece are its patches, or blocks of them, row by row: SigLIP's in PaliGemma, and what pixel
        shuffling leaves of a tile in ColModernVBERT and Llama-Nemotron-VL.
        """
        assert self.placeholder is not None, "other pictures are one embedding, which lies nowhere"
        pieces = self.preprocessing.boxes(picture.image.height, picture.image.width)
        return square_cells(pieces, self.placeholder.rows)
