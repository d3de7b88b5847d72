"""Defines a picture as the vision graph's queue knows it: what is computed, and what that costs."""

from dataclasses import dataclass, field

from .grids import Grid
from .image import Image


@dataclass(frozen=True, slots=True)
class PictureInput:
    """One picture for the vision graph. Its pixels are prepared when they are run, since they are large.

    `pieces` is how many pieces of one size the graph sees, `rows` how many rows of image embeddings it gives, `cost`
    what the queue counts for it, in tokens of the text graph. Equal pictures are equal: they are computed once.
    """

    image: Image
    grid: Grid = field(compare=False)
    pieces: int = field(compare=False)
    rows: int = field(compare=False)
    cost: int = field(compare=False)

    def __len__(self) -> int:
        """Its pieces, as a run is padded to them."""
        return self.pieces

    @property
    def tokens(self) -> int:
        """What `usage` counts for a picture that is a whole input, as vLLM does."""
        return 1

    @property
    def identity(self) -> bytes:
        """A digest of what the graph's output depends on."""
        return self.image.digest.encode()
