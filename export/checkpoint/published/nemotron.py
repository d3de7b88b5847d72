"""Translates NVIDIA's bidirectional Llama to `llama`.

That is llama-nemotron-rerank and -embed, also named nv-rerankqa and nv-embedqa.
Its classifier is not that of `LlamaForSequenceClassification`: the body's states are pooled as `pooling` says, then
`score.weight` and a division by `temperature` follow. Both settings stay in the configuration for whoever builds it.
"""

from typing import Any

from ...errors import ExportError
from .settings import without

POOLING = {"avg": "mean", "cls": "cls", "last": "lasttoken"}
"""The authors' names of pooling, to those of sentence-transformers."""


def matches(config: dict[str, Any]) -> bool:
    return bool(config.get("model_type") == "llama_bidirec")


def native(config: dict[str, Any]) -> dict[str, Any]:
    pooling = config.get("pooling", "avg")
    if pooling not in POOLING:
        raise ExportError(
            f"The checkpoint's config.json has pooling '{pooling}', but ScoreRT reads bidirectional Llamas with "
            f"{', '.join(POOLING)} alone."
        )
    temperature = float(config.get("temperature", 1.0))
    return without(config) | {
        "model_type": "llama",
        "is_causal": False,
        "pooling": pooling,
        "temperature": temperature,
    }
