"""Computes the activation of logits and the similarity of embeddings."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..arrays import Floats

Similarity = Literal["cosine", "dot"]

# The smallest norm divided by, as in torch.nn.functional.cosine_similarity.
_TINY = 1e-8


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-logits)), without overflow for large negative logits."""
    scores: Floats = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
    return scores


def similarity(query: Floats, documents: Sequence[Floats], kind: Similarity | None) -> Floats:
    """The dot product of a query's `[dim]` with each document's, or their cosine; float32 `[documents]`."""
    stacked = np.stack(documents)
    if kind == "cosine":
        query, stacked = normalized(query), normalized(stacked)
    products: Floats = stacked @ query
    return products


def normalized(vectors: Floats) -> Floats:
    """Vectors `[…, dim]` of length 1 in the same directions."""
    lengths: Floats = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY)
    return vectors / lengths
