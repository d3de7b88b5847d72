"""Translates Jina's XLM-RoBERTa with rotary positions ("xlm-roberta-flash") to `jina_embeddings_v3`.

So jina-embeddings-v3 and jina-colbert-v2 are published.
"""

from typing import Any

from .settings import without


def matches(config: dict[str, Any]) -> bool:
    return config.get("model_type") == "xlm-roberta" and config.get("position_embedding_type") == "rotary"


def native(config: dict[str, Any]) -> dict[str, Any]:
    own = without(config, "position_embedding_type", "rotary_emb_base", "use_flash_attn", "use_cache")
    theta = float(config.get("rotary_emb_base", 10000.0))
    return own | {
        "model_type": "jina_embeddings_v3",
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
    }
