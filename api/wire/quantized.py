"""Writes embeddings in fewer bits, in the types that Cohere and Jina have for them."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine import Floats

from .answers import numbers
from .vectors import in_base64

NumberType = Literal["float", "int8", "uint8", "binary", "ubinary"]
EmbeddingType = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]
"""How embeddings are written:

- "float": numbers; "base64": their little-endian float32 bytes.
- "uint8": 0 to 255 in steps of 2/255 from -1 up, `floor((x + 1) / (2 / 255))`; "int8": 128 less.
- "ubinary": a bit for each number, set where it is greater than 0, 8 in a byte with the first as the highest; "binary":
  128 less.

Cohere does not publish its calibration of eight bits. What sentence-transformers' `quantize_embeddings` does takes its
place, with the same range of -1 to 1 for every dimension, which no number of a unit vector leaves; others are clipped.
"""

Written = list[list[float] | str]
"""Numbers, those of eight bits without a fraction, or base64."""


def written(embeddings: Floats, embedding_type: EmbeddingType) -> Written:
    """Embeddings `[texts, dim]` as JSON has them, in the order of the texts."""
    if embedding_type == "base64":
        return [in_base64(row) for row in embeddings]
    rows: Written = numbers(quantized(embeddings, embedding_type))
    return rows


def quantized(embeddings: Floats, number_type: NumberType) -> NDArray[Any]:
    """Embeddings `[texts, dim]` in numbers of that type, the last axis an eighth of it for bits."""
    return _QUANTIZERS[number_type](embeddings)


def _uint8(embeddings: Floats) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = np.clip(np.floor((embeddings + 1) / np.float32(2 / 255)), 0, 255)
    return levels


def _bits(embeddings: Floats) -> NDArray[np.int16]:
    return np.packbits(embeddings > 0, axis=-1).astype(np.int16)


_QUANTIZERS: dict[NumberType, Callable[[Floats], NDArray[Any]]] = {
    "float": lambda embeddings: embeddings.astype("<f4", copy=False),
    "int8": lambda embeddings: (_uint8(embeddings) - 128).astype(np.int8),
    "uint8": lambda embeddings: _uint8(embeddings).astype(np.uint8),
    "binary": lambda embeddings: (_bits(embeddings) - 128).astype(np.int8),
    "ubinary": lambda embeddings: _bits(embeddings).astype(np.uint8),
}
