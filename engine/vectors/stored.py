"""Keeps embeddings in full, or in fewer bits than they were computed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

Store = Literal["float32", "float16", "int8"]

STORES: Sequence[Store] = ("float32", "float16", "int8")

# The largest magnitude of an int8 that its negative has too.
_INT8_MAX = 127


@dataclass(frozen=True, slots=True)
class Stored:
    """Embeddings `[…, dim]` as float32, float16 or int8. An int8 vector has a float32 scale in `scales` `[…]`.

    Of a vector x, float16 is off by at most 2^-11 of each element (2^-25 for elements under 2^-14), int8 by half a
    scale, max|x| / 254. float16 ends at 65,504, far beyond what embeddings hold. Embeddings in a GPU's memory are
    kept there.
    """

    values: NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int8]
    scales: Floats | None = None

    @classmethod
    def of(cls, embeddings: Floats, store: Store) -> Self:
        """A copy of `embeddings`, rounded to what `store` holds."""
        if store == "float32":
            return cls(embeddings.astype(np.float32))
        if store == "float16":
            return cls(embeddings.astype(np.float16))
        scales = np.maximum(np.abs(embeddings).max(axis=-1), np.finfo(np.float32).tiny) / np.float32(_INT8_MAX)
        return cls(np.rint(embeddings / scales[..., None]).astype(np.int8), scales.astype(np.float32))

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def floats(self) -> Floats:
        """As float32 to compute with; not a copy where they are."""
        floats = self.values.astype(np.float32, copy=False)
        return floats if self.scales is None else floats * self.scales[..., None]
