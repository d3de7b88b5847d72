"""Reads the recipes of ColPali's kin: ColPali, ColQwen2, ColQwen2.5, ColQwen3 and ColModernVBERT."""

from typing import Any

from engine.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...recipe import Head, Marking, Recipe
from .bodies import pictures

_QWEN_PAGE = "<|im_start|>user\n{pictures}{text}<|im_end|><|endoftext|>"
_CAPTION = "Describe the image."
_AUGMENTATION = 10
"""How often queries are followed by a token that says nothing, for the model to write expansions into
(https://arxiv.org/abs/2407.01449, section 4.1)."""


def read(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """A projection after the body gives the token embeddings, of length 1.

    The prompts are those of transformers' processors for its own layouts, and colpali-engine's for others. vLLM adds
    nothing to texts, and a picture's prompt is its placeholder with its text after it.
    """
    native = checkpoint.native
    query, document = _vllm(native) if prompts == "vllm" else _authors(checkpoint)
    return Recipe(
        "late-interaction",
        checkpoint.architecture,
        heads=[*_projection(checkpoint), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=_query_prefix(checkpoint) if prompts == "authors" else "",
        query=query,
        document=document,
        pictures=pictures(native),
    )


def _projection(checkpoint: Checkpoint) -> list[Head]:
    """The layer by the name that the checkpoint's authors gave it; nemotron-colembed has none."""
    if checkpoint.architecture == "Qwen3VLNemotronEmbedModel":
        return []
    is_native = checkpoint.architecture.endswith("ForRetrieval") and checkpoint.config["model_type"] != "modernvbert"
    name = "embedding_proj_layer" if is_native or checkpoint.architecture == "ColQwen3" else "custom_text_proj"
    name = f"model.{name}" if checkpoint.config["model_type"] == "modernvbert" else name
    return [
        Head("Dense", {}, checkpoint.folder, {"linear.weight": f"{name}.weight", "linear.bias": f"{name}.bias"}),
    ]


def _vllm(native: dict[str, Any]) -> tuple[Marking, Marking]:
    """Those of every side alike; a picture of a model with special tokens around texts stands before them."""
    around = {"modernvbert": "{pictures}[CLS]{text}[SEP]", "paligemma": "{pictures}<bos>{text}\n"}
    marking = Marking(pictured=around.get(native["model_type"], "{pictures}{text}"))
    return marking, marking


def _authors(checkpoint: Checkpoint) -> tuple[Marking, Marking]:
    """The query's, with its augmentation, and the document's."""
    match checkpoint.native["model_type"]:
        case "paligemma":
            page = "{pictures}<bos>{text}\n"
            tail = "<pad>" * _AUGMENTATION + ("\n" if _is_native(checkpoint) else "")
        case "modernvbert":
            page = "[CLS]<|begin_of_text|>User:{pictures}{text}<end_of_utterance>\nAssistant:[SEP]"
            tail = "<end_of_utterance>" * _AUGMENTATION
        case _:
            page = _QWEN_PAGE
            tail = "<|endoftext|>" * _AUGMENTATION + ("\n" if _is_native(checkpoint) else "")
    return Marking(tail=tail, pictured=page, caption=_CAPTION), Marking(pictured=page, caption=_CAPTION)


def _query_prefix(checkpoint: Checkpoint) -> str:
    """What transformers' processor puts before a query: its own setting, or its class's."""
    if not _is_native(checkpoint):
        return ""
    settings = checkpoint.json("processor_config.json") or {}
    default = {"paligemma": "Question: ", "modernvbert": ""}.get(checkpoint.native["model_type"], "Query: ")
    return str(settings.get("query_prefix") or default)


def _is_native(checkpoint: Checkpoint) -> bool:
    """Whether the layout is transformers' own."""
    return "vlm_config" in checkpoint.config
