"""Computes MaxSim over token embeddings (late interaction: ColBERT, https://arxiv.org/abs/2004.12832, equation 3)."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

Rows: TypeAlias = Floats | Any
"""Embeddings, numpy's or in a GPU's memory; without cupy installed the latter have no type that could be named."""

# Document tokens that are compared at a time: a product large enough to be fast, in buffers small enough for the cache
# (docs/benchmarks/log.md, "MaxSim").
_TOKENS_AT_A_TIME = 4096
# The same on a GPU, padding counted too, for some 100 MiB with a query of 32 tokens and embeddings of 128: a choice.
_DEVICE_TOKENS_AT_A_TIME = 2**17


def maxsim(query: Rows, documents: Sequence[Rows]) -> Floats:
    """The sum over a query's tokens of their largest dot product with each document's tokens.

    `query` is `[query tokens, dim]`, a document `[document tokens, dim]` with at least one token; the result is
    float32 `[documents]`. Where they are in a GPU's memory, all of them, they are compared there.
    """
    if not isinstance(query, np.ndarray):
        return _maxsim_on_device(query, documents)
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
        # A row a query token, so that each document's segment is contiguous for its maximum.
        similarity = query @ block[:tokens].T
        scores[first:end] = np.maximum.reduceat(similarity, starts, axis=1).sum(axis=0, dtype=np.float32)
        first = end
    return scores


def _maxsim_on_device(query: Rows, documents: Sequence[Rows]) -> Floats:
    """One product for all documents of a block; their maxima are taken over blocks padded with repeated tokens, which
    change no maximum. Only the scores leave the device. Unmeasured."""
    lengths = np.array([len(document) for document in documents])
    scores = np.empty(len(documents), np.float32)
    for block in _blocks(lengths):
        own = lengths[block]
        # Rows of `similarity`, by document and token; a document that ends repeats its last one.
        rows = (np.cumsum(own) - own)[:, None] + np.minimum(np.arange(own.max()), own[:, None] - 1)
        similarity = np.concatenate([documents[place] for place in block]) @ query.T
        scores[block] = similarity.take(rows, axis=0).max(axis=1).sum(axis=1).get()
    return scores


def _blocks(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The places of all documents by length, in blocks of `_DEVICE_TOKENS_AT_A_TIME` when padded to their longest."""
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        # What a block takes that ends with this document or a later one: it only grows.
        padded = np.arange(1, len(order) - first + 1) * lengths[order[first:]]
        end = first + max(1, int(np.searchsorted(padded, _DEVICE_TOKENS_AT_A_TIME, side="right")))
        yield order[first:end]
        first = end
