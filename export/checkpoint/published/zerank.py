"""Translates ZeroEntropy's rerankers (zerank-1, zerank-2): Qwen3 under a model type of their own, to `qwen3`."""

from typing import Any

from .settings import without


def matches(config: dict[str, Any]) -> bool:
    return bool(config.get("model_type") == "zeroentropy")


def native(config: dict[str, Any]) -> dict[str, Any]:
    return without(config) | {"model_type": "qwen3"}
