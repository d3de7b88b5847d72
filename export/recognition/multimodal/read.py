"""Finds the reader of a checkpoint that reads pictures, by its architecture, or its name where that says too little."""

import re

from engine.artifact.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...checkpoint.published.multimodal import BODIES
from ...errors import ExportError
from ...recipe import Recipe
from ..module_list import Folder
from . import dual_encoders, late_interaction, nemotron_vl, qwen_vl

_LATE_INTERACTION = {
    "ColModernVBertForRetrieval",
    "ColPali",
    "ColPaliForRetrieval",
    "ColQwen2",
    "ColQwen2ForRetrieval",
    "ColQwen2_5",
    "ColQwen3",
    "OpsColQwen3Model",
    "Qwen3VLNemotronEmbedModel",
}


def reads_pictures(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint's body has a vision tower."""
    return checkpoint.native.get("model_type") in BODIES


def read(checkpoint: Checkpoint, folder: Folder | None, prompts: Prompts) -> Recipe:
    """The recipe of a checkpoint that reads pictures. Raises `ExportError` where nothing says how it scores."""
    architecture = checkpoint.architecture
    if checkpoint.native["model_type"] in ("clip", "siglip", "siglip2"):
        return dual_encoders.read(checkpoint, folder, prompts)
    if architecture in _LATE_INTERACTION:
        return late_interaction.read(checkpoint, prompts)
    if architecture == "LlamaNemotronVLForSequenceClassification":
        return nemotron_vl.reranker(checkpoint, prompts)
    if architecture == "LlamaNemotronVLModel":
        return nemotron_vl.embedder(checkpoint, prompts)
    if architecture == "JinaVLForRanking":
        return qwen_vl.jina(checkpoint, prompts)
    if architecture.startswith("Qwen3VL") and (
        "classifier_from_token" in checkpoint.config or _is_named(checkpoint, r"qwen3[-_]vl[-_]reranker")
    ):
        return qwen_vl.qwen3_reranker(checkpoint, prompts)
    if architecture.startswith("Qwen3VL") and _is_named(checkpoint, r"qwen3[-_]vl[-_]embedding"):
        return qwen_vl.qwen3_embedding(checkpoint, prompts)
    if architecture == "Qwen2VLForConditionalGeneration" and _is_named(checkpoint, r"\bdse[-_]qwen2"):
        return qwen_vl.dse(checkpoint, prompts)
    named = "give the folder, or a link to it, the name of a model in `python -m export --list`"
    if checkpoint.native["model_type"] == "qwen3_vl":
        named += (
            ", or for a reranker name the tokens it answers with (--hf-overrides "
            '\'{"classifier_from_token": ["no", "yes"]}\')'
        )
    raise ExportError(
        f"{architecture or 'A config.json without architectures'} is a model of pictures and texts, and neither its "
        f"files nor its name ({checkpoint.name}) say how it scores: {named}."
    )


def _is_named(checkpoint: Checkpoint, pattern: str) -> bool:
    return any(re.search(pattern, name, re.IGNORECASE) for name in (*checkpoint.names, *checkpoint.made_from))
