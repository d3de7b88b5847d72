"""Builds tiny seeded checkpoints with the files, settings and weight names that their authors publish.

A builder fills the folder, which must not exist, and returns it.
"""

from checkpoints.published.decoders import embedding_gemma, lfm2_colbert, nemotron_embed, nemotron_rerank, zerank
from checkpoints.published.encoders import gte_embedder, gte_reranker, jina_colbert, jina_v3, nomic

__all__ = [
    "BUILDERS",
    "embedding_gemma",
    "gte_embedder",
    "gte_reranker",
    "jina_colbert",
    "jina_v3",
    "lfm2_colbert",
    "nemotron_embed",
    "nemotron_rerank",
    "nomic",
    "zerank",
]

BUILDERS = {
    builder.__name__: builder
    for builder in (
        gte_reranker,
        gte_embedder,
        nomic,
        jina_v3,
        jina_colbert,
        nemotron_rerank,
        nemotron_embed,
        lfm2_colbert,
        embedding_gemma,
        zerank,
    )
}
