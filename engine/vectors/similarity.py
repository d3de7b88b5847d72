"""From a graph's rows to scores: the activation of logits, and the similarity of embeddings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..artifact import Manifest, Similarity
from .maxsim import maxsim

Floats = NDArray[np.float32]

# The smallest norm divided by, as in torch.nn.functional.cosine_similarity.
_TINY = 1e-8


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-logits)), without overflow for large negative logits."""
    scores: Floats = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
    return scores


def compare(manifest: Manifest, query: Floats, documents: Sequence[Floats]) -> Floats:
    """A query's similarity with each document as the model has it, MaxSim for token embeddings; float32 `[documents]`.

    Embeddings are `[dim]`, token embeddings `[tokens, dim]`.
    """
    if manifest.score_type == "late-interaction":
        return maxsim(query, documents)
    return similarity(query, documents, manifest.similarity)


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
