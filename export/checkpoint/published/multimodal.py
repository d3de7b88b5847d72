"""Translates models of pictures and texts to the transformers class of their body, without the head around it.

That is CLIP and SigLIP as they are; jina-reranker-m0, ColQwen2 and ColQwen2.5 to `qwen2_vl` and `qwen2_5_vl`; ColQwen3
of all authors to `qwen3_vl`; ColPali to `paligemma`; ColModernVBERT to `modernvbert`; and Llama-Nemotron-VL, which
transformers has no class for, to `llama_nemotron_vl` with its parts in transformers' words.
"""

from typing import Any

from . import nemotron
from .settings import require, without

_OWN = {"clip", "siglip", "siglip2", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "modernvbert", "paligemma"}
_COL_QWEN3 = {"colqwen3", "ops_colqwen3", "qwen3_vl_nemotron_embed"}
_NESTED = {"colqwen2", "colpali", "colmodernvbert"}

_NEMOTRON = "llama_nemotron_vl"

BODIES = frozenset({*_OWN, _NEMOTRON})
"""The types of bodies that read pictures."""

_QWEN = {
    r"^(?:vlm\.)?(?:model\.)?visual\.": "visual.",
    r"^(?:vlm\.)?(?:model\.)?language_model\.(?:model\.)?": "language_model.",
    r"^model\.(?!visual|language_model)": "language_model.",
}
NAMES = dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), _QWEN) | {
    _NEMOTRON: {r"^(?:model\.)?vision_model\.vision_model\.": "vision_model.", r"^model\.": ""},
    "paligemma": {r"^(?:vlm\.|model\.)?language_model\.model\.": "language_model.", r"^(?:vlm|model)\.": ""},
    "modernvbert": {r"^(?:vlm|model)\.(?!custom)": ""},
}
"""By a body's type, how its weights are named in checkpoints of any age and author, to how the body names them."""


def matches(config: dict[str, Any]) -> bool:
    kind = str(config.get("model_type"))
    return kind in _OWN | _COL_QWEN3 | _NESTED or kind.startswith(_NEMOTRON)


def native(config: dict[str, Any]) -> dict[str, Any]:
    """With every setting, since published configurations leave out those that have their class's defaults."""
    kind = config["model_type"]
    if kind.startswith(_NEMOTRON):
        return _nemotron(config)
    if kind in _NESTED:
        config = config["vlm_config"]
        kind = config["model_type"]
    elif kind in _COL_QWEN3:
        kind = "qwen3_vl"
    config = without(config, "architectures")
    return _with_defaults(kind, config | {"model_type": kind})


def _with_defaults(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    # Here, because it brings PyTorch.
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    settings: dict[str, Any] = CONFIG_MAPPING[kind].from_dict(config).to_dict()
    return settings


def _nemotron(config: dict[str, Any]) -> dict[str, Any]:
    require(config, "Llama-Nemotron-VL", ps_version="v2", select_layer=-1, pre_feature_reduction=False)
    text = nemotron.native(config["llm_config"] | {"model_type": "llama_bidirec"})
    vision = config["vision_config"]
    return {
        "model_type": _NEMOTRON,
        "vision_config": _with_defaults("siglip_vision_model", vision),
        "text_config": _with_defaults("llama", text),
        "downsample_ratio": config.get("downsample_ratio", 0.5),
        "pooling": config.get("pooling", "avg"),
        "temperature": float(config.get("temperature") or 1.0),
    }
