"""Late interaction: MaxSim over token embeddings (ColBERT, https://arxiv.org/abs/2004.12832, equation 3)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Document tokens that are compared at a time: a product large enough to be fast, in buffers small enough for the cache.
_TOKENS_AT_A_TIME = 4096


def maxsim(query: Floats, documents: Sequence[Floats]) -> Floats:
    """The sum over a query's tokens of their largest dot product with each document's tokens.

    `query` is `[query tokens, dim]`, a document `[document tokens, dim]` with at least one token; the result is
    float32 `[documents]`.
    """
    lengths = [len(document) for document in documents]
    room = max(max(lengths), min(sum(lengths), _TOKENS_AT_A_TIME))
    block = np.empty((room, query.shape[1]), np.float32)
    scores = np.empty(len(documents), np.float32)
    first = 0
    while first < len(documents):
        starts, tokens, end = [], 0, first
        while end < len(documents) and tokens + lengths[end] <= room:
            starts.append(tokens)
            tokens += lengths[end]
            end += 1
        np.concatenate(documents[first:end], out=block[:tokens])
        # A row a query token, so that the segments of which the maxima are taken are contiguous.
        similarity = query @ block[:tokens].T
        scores[first:end] = np.maximum.reduceat(similarity, starts, axis=1).sum(axis=0, dtype=np.float32)
        first = end
    return scores
