"""Builds the tiny checkpoint of every row of the exporter's table, by the row's name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from checkpoints import embedders, published, rerankers, tiny

BUILDERS: dict[str, Callable[[Path], Path]] = {
    **{family: partial(tiny.build, family) for family in tiny.FAMILIES},
    # Its last layer is computed for the first token alone, the one before it for all.
    "bert": partial(tiny.build, "bert", num_hidden_layers=2),
    "gte-reranker": published.gte_reranker,
    "nemotron-rerank": published.nemotron_rerank,
    "bge-reranker-v2-gemma": rerankers.bge_gemma,
    "mxbai-rerank-v2": rerankers.mxbai_rerank,
    "qwen3-reranker": rerankers.qwen3_reranker,
    "qwen3-reranker-seq-cls": rerankers.qwen3_reranker_seq_cls,
    "cross-encoder-folder": rerankers.cross_encoder_folder,
    "zerank": published.zerank,
    "colbert": embedders.colbert,
    "pylate": embedders.pylate,
    "modern-colbert": embedders.modern_colbert,
    "jina-colbert": published.jina_colbert,
    "lfm2-colbert": published.lfm2_colbert,
    "bge-m3": embedders.bge_m3,
    "embedder": embedders.embedder,
    "bert-embedder": embedders.bert_embedder,
    "mpnet-embedder": embedders.mpnet_embedder,
    "e5": embedders.e5,
    "modernbert-embedder": embedders.modernbert_embedder,
    "gte-embedder": published.gte_embedder,
    "nomic": published.nomic,
    "jina-v3": published.jina_v3,
    "embedding-gemma": published.embedding_gemma,
    "qwen3-embedding": rerankers.qwen3_embedding,
    "e5-mistral": rerankers.e5_mistral,
    "nemotron-embed": published.nemotron_embed,
}


def build(name: str, folder: Path) -> Path:
    """Write the checkpoint into `folder / "<name>"`, named as the published one is where its name tells what it is."""
    return BUILDERS[name](folder / PUBLISHED_NAMES.get(name, name))


# Language models that rerank are known by what they are called.
PUBLISHED_NAMES = {
    "mxbai-rerank-v2": "mxbai-rerank-base-v2",
    "qwen3-reranker": "Qwen3-Reranker-0.6B",
    "qwen3-reranker-seq-cls": "Qwen3-Reranker-0.6B-seq-cls",
    "zerank": "zerank-2",
}
