"""Builds tiny seeded checkpoints of the multimodal families, with the files, settings and weight names published."""

from collections.abc import Callable
from pathlib import Path

from checkpoints.multimodal import colmodernvbert, colpali, colqwen2, dual_encoders, nemotron_vl, qwen2_vl, qwen3_vl

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "jina-m0": qwen2_vl.jina_m0,
    "jina-m0-new-names": qwen2_vl.jina_m0_new_names,
    "qwen3-vl-reranker": qwen3_vl.qwen3_vl_reranker,
    "qwen3-vl-embedding": qwen3_vl.qwen3_vl_embedding,
    "dse": qwen2_vl.dse,
    "colqwen2": colqwen2.colqwen2,
    "colqwen2-engine": colqwen2.colqwen2_engine,
    "colqwen2-adapter": colqwen2.colqwen2_adapter,
    "colqwen2.5": colqwen2.colqwen2_5,
    "colqwen2.5-engine": colqwen2.colqwen2_5_engine,
    "colqwen3": qwen3_vl.colqwen3,
    "colqwen3-engine": qwen3_vl.colqwen3_engine,
    "colqwen3-ops": qwen3_vl.colqwen3_ops,
    "colqwen3-nvidia": qwen3_vl.colqwen3_nvidia,
    "colpali": colpali.colpali,
    "colpali-engine": colpali.colpali_engine,
    "colpali-adapter": colpali.colpali_adapter,
    "colmodernvbert": colmodernvbert.colmodernvbert,
    "colmodernvbert-nested": colmodernvbert.colmodernvbert_nested,
    "nemotron-rerank-vl": nemotron_vl.nemotron_rerank_vl,
    "nemotron-embed-vl": nemotron_vl.nemotron_embed_vl,
    "clip": dual_encoders.clip,
    "clip-folder": dual_encoders.clip_folder,
    "siglip": dual_encoders.siglip,
    "siglip2": dual_encoders.siglip2,
    "siglip2-naflex": dual_encoders.siglip2_naflex,
}


def build(name: str, folder: Path) -> Path:
    """Write the checkpoint into `folder / "<name>"`, named as the published one is where its name tells what it is."""
    return BUILDERS[name](folder / PUBLISHED_NAMES.get(name, name))


PUBLISHED_NAMES = {
    "jina-m0": "jina-reranker-m0",
    "qwen3-vl-reranker": "Qwen3-VL-Reranker-2B",
    "qwen3-vl-embedding": "Qwen3-VL-Embedding-2B",
    "dse": "dse-qwen2-2b-mrl-v1",
    "colqwen2": "colqwen2-v1.0-hf",
    "colqwen2-engine": "colqwen2-v1.0-merged",
    "colqwen2-adapter": "colqwen2-v1.0",
    "colqwen2.5-engine": "colqwen2.5-base",
    "colqwen3": "tomoro-colqwen3-embed-4b",
    "colqwen3-ops": "Ops-Colqwen3-4B",
    "colqwen3-nvidia": "nemotron-colembed-vl-4b-v2",
    "colpali": "colpali-v1.3-hf",
    "colpali-engine": "colpali-v1.2-merged",
    "colpali-adapter": "colpali-v1.3",
    "colmodernvbert": "colmodernvbert-merged",
    "nemotron-rerank-vl": "llama-nemotron-rerank-vl-1b-v2",
    "nemotron-embed-vl": "llama-nemotron-embed-vl-1b-v2",
    "clip": "clip-vit-base-patch32",
    "clip-folder": "clip-ViT-B-32",
    "siglip": "siglip-base-patch16-224",
    "siglip2": "siglip2-base-patch16-224",
    "siglip2-naflex": "siglip2-base-patch16-naflex",
}
