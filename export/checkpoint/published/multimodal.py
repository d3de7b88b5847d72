"""Translates models of pictures and texts to the transformers class of their body, without the head around it.

That is CLIP and SigLIP as they are; jina-reranker-m0, ColQwen2 and ColQwen2.5 to `qwen2_vl` and `qwen2_5_vl`; ColQwen3
of all authors to `qwen3_vl`; ColPali to `paligemma`; ColModernVBERT to `modernvbert`.
"""

from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .settings import without

_OWN = {"clip", "siglip", "siglip2", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "modernvbert", "paligemma"}
_COL_QWEN3 = {"colqwen3", "ops_colqwen3", "qwen3_vl_nemotron_embed"}
_NESTED = {"colqwen2", "colpali", "colmodernvbert"}

BODIES = frozenset(_OWN)
"""The types of bodies that read pictures."""

NAMES = {
    r"^(?:vlm\.)?(?:model\.)?visual\.": "visual.",
    r"^(?:vlm\.)?(?:model\.)?language_model\.(?:model\.)?": "language_model.",
    r"^model\.(?!visual|language_model|vision|text_model|connector|multi_modal|custom)": "language_model.",
}
"""How the weights of Qwen's bodies are named in checkpoints of any age and author, to how the body names them."""


def matches(config: dict[str, Any]) -> bool:
    return config.get("model_type") in _OWN | _COL_QWEN3 | _NESTED


def native(config: dict[str, Any]) -> dict[str, Any]:
    """With every setting, since published configurations leave out those that have their class's defaults."""
    kind = config["model_type"]
    if kind in _NESTED:
        config = config["vlm_config"]
        kind = config["model_type"]
    elif kind in _COL_QWEN3:
        kind = "qwen3_vl"
    config = without(config, "architectures")
    settings: dict[str, Any] = CONFIG_MAPPING[kind].from_dict(config | {"model_type": kind}).to_dict()
    return settings
