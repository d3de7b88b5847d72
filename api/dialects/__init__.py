"""The APIs that clients already speak, each a mapping to the engine's calls. `ENDPOINTS` is all that is served."""

from . import (
    about,
    classify,
    cohere,
    embeddings,
    indexed,
    invocations,
    pooling,
    rerank,
    score,
    tei,
    token_similarity,
    tokens,
)

# Where endpoints share a path, those that say when they are meant come before the one that takes the rest.
ENDPOINTS = (
    *indexed.ENDPOINTS,
    *cohere.ENDPOINTS,
    *tei.ENDPOINTS,
    *score.ENDPOINTS,
    *rerank.ENDPOINTS,
    *classify.ENDPOINTS,
    *pooling.ENDPOINTS,
    *embeddings.ENDPOINTS,
    *tokens.ENDPOINTS,
    *invocations.ENDPOINTS,
    *token_similarity.ENDPOINTS,
    *about.ENDPOINTS,
)
