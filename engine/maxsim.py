"""Late interaction: MaxSim over token embeddings (ColBERT, https://arxiv.org/abs/2004.12832, equation 3)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def maxsim(query: Floats, documents: Sequence[Floats]) -> Floats:
    """The sum over a query's tokens of their largest dot product with each document's tokens.

    `query` is `[query tokens, dim]`, a document `[document tokens, dim]` with at least one token; the result is
    float32 `[documents]`.
    """
    starts = np.cumsum([0, *(len(document) for document in documents[:-1])])
    # One GEMM over every document's tokens, rows being document tokens so that each segment is contiguous.
    similarity = np.concatenate(documents) @ query.T
    scores: Floats = np.maximum.reduceat(similarity, starts, axis=0).sum(axis=1, dtype=np.float32)
    return scores
