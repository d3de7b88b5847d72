"""Loads a checkpoint's body as transformers does, with what published checkpoints need besides."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, PreTrainedModel

from ..checkpoint.published import as_transformers
from ..checkpoint.published.tasks import adapters
from . import lora


def load_body(folder: Path, config: dict[str, Any], auto: Any = AutoModel) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The body in float32, and transformers' report of weights that are missing, unexpected or of another shape.

    `config` is a native one, changed as the user likes; `auto` one of transformers' Auto classes. A checkpoint with
    adapters gets a body with one more input, `adapter`: see `AdaptedBody`.
    """
    settings = as_transformers(config)
    adapted = bool(adapters(config))
    body, report = auto.from_pretrained(
        folder,
        config=settings,
        dtype=torch.float32,
        key_mapping=lora.RENAMED if adapted else None,
        output_loading_info=True,
    )
    if getattr(settings, "is_causal", None) is False:
        mark_bidirectional(body)
    if not adapted:
        return body, report
    unexpected = {name for name in report["unexpected_keys"] if not lora.is_factor(name)}
    return lora.adapted(body, folder), report | {"unexpected_keys": unexpected}


def mark_bidirectional(body: PreTrainedModel) -> None:
    """transformers goes by the configuration and leaves the layers' own flags as they were, for others to read."""
    for module in body.modules():
        if hasattr(module, "is_causal"):
            setattr(module, "is_causal", False)  # noqa: B010 - as an attribute its type would be Tensor | Module
