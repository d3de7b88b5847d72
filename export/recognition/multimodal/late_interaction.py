"""Reads the recipes of ColPali's kin: ColPali, ColQwen2, ColQwen2.5, ColQwen3 and ColModernVBERT."""

from dataclasses import dataclass, replace
from typing import Any

from engine.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...recipe import Head, Marking, PictureRecipe, Recipe
from .bodies import pictures

_AUGMENTATION = 10
"""How often queries are followed by a token that says nothing, for the model to write expansions into
(https://arxiv.org/abs/2407.01449, section 4.1)."""


@dataclass(frozen=True)
class _Prompts:
    """A family's prompts: of a page, with the caption that it has before its own text, and around texts.

    `query_tail` follows a query, `document_tail` a text that is a document.
    """

    page: str
    caption: str = "Describe the image."
    query: str = ""
    document: str = ""
    query_tail: str = ""
    document_tail: str = ""


_QWEN_PAGE = "<|im_start|>user\n{pictures}{text}<|im_end|><|endoftext|>"
_QWEN_TAIL = "<|endoftext|>" * _AUGMENTATION
_CHAT = "<|im_start|>user\n"
_REPLY = "<|im_end|>\n<|im_start|>assistant\n"

# By the first of the architectures. transformers' own layouts are read by its processors, others by colpali-engine's
# 0.3 or by the authors' own code: processing_colqwen3.py, processing_ops_colqwen3.py and
# processing_qwen3_vl_nemotron_embed.py beside their checkpoints.
_AUTHORS = {
    "ColPaliForRetrieval": _Prompts(
        "{pictures}<bos>{text}\n", query="Question: ", query_tail="<pad>" * _AUGMENTATION + "\n"
    ),
    "ColPali": _Prompts("{pictures}<bos>{text}\n", query_tail="<pad>" * _AUGMENTATION),
    "ColQwen2ForRetrieval": _Prompts(_QWEN_PAGE, query="Query: ", query_tail=_QWEN_TAIL + "\n"),
    "ColQwen2": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL),
    "ColQwen2_5": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL),
    # Its processor has one prompt for all texts.
    "ColQwen3": _Prompts(_QWEN_PAGE, query_tail=_QWEN_TAIL, document_tail=_QWEN_TAIL),
    "OpsColQwen3Model": _Prompts(
        "<|im_start|>user\n{pictures}{text}<|im_end|><|im_start|>assistant\n<|endoftext|>",
        query="Query: ",
        query_tail=_QWEN_TAIL,
    ),
    "Qwen3VLNemotronEmbedModel": _Prompts(
        f"{_CHAT}{{pictures}}{{text}}{_REPLY}",
        caption="passage:",
        query=f"{_CHAT}Query: query: ",
        document=f"{_CHAT}passage: ",
        query_tail=_REPLY,
        document_tail=_REPLY,
    ),
    "ColModernVBertForRetrieval": _Prompts(
        "[CLS]<|begin_of_text|>User:{pictures}{text}<end_of_utterance>\nAssistant:[SEP]",
        query_tail="<end_of_utterance>" * _AUGMENTATION,
    ),
}
# vLLM adds nothing to texts; a picture's placeholder stands before the special tokens that go around its text.
_VLLM = {"modernvbert": "{pictures}[CLS]{text}[SEP]", "paligemma": "{pictures}<bos>{text}\n"}

# The most pixels that the code of some authors gives a picture: of as many tokens as it allows.
_PIXELS: dict[str, tuple[int | None, int]] = {
    "ColQwen2": (None, 768 * 28**2),
    "ColQwen2_5": (None, 768 * 28**2),
    "ColQwen3": (None, 1280 * 32**2),
}


def read(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """A projection after the body gives the token embeddings, of length 1."""
    native, architecture = checkpoint.native, checkpoint.architecture
    own = _own_prompts(checkpoint) if prompts == "authors" else _Prompts(_vllm_page(checkpoint), caption="")
    pixels = _PIXELS.get(architecture) if prompts == "authors" else None
    return Recipe(
        "late-interaction",
        architecture,
        heads=[*_projection(checkpoint), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=own.query,
        document_prompt=own.document,
        query=Marking(tail=own.query_tail, pictured=own.page, caption=own.caption),
        document=Marking(tail=own.document_tail, pictured=own.page, caption=own.caption),
        pictures=replace(_pictures(native, prompts), pixels=pixels),
    )


def _pictures(native: dict[str, Any], prompts: Prompts) -> PictureRecipe:
    """vLLM shrinks a picture to one tile, and has nothing around it (models/colmodernvbert.py)."""
    own = pictures(native)
    return own if prompts == "authors" else replace(own, marked=False, split=False)


def _own_prompts(checkpoint: Checkpoint) -> _Prompts:
    """The family's, with what the checkpoint's own processor says otherwise."""
    settings = checkpoint.json("processor_config.json") or {}
    own = _AUTHORS[checkpoint.architecture]
    return replace(own, query=settings["query_prefix"]) if settings.get("query_prefix") else own


def _vllm_page(checkpoint: Checkpoint) -> str:
    return _VLLM.get(checkpoint.native["model_type"], "{pictures}{text}")


def _projection(checkpoint: Checkpoint) -> list[Head]:
    """The layer by the name that the checkpoint's authors gave it; nemotron-colembed has none."""
    if checkpoint.architecture == "Qwen3VLNemotronEmbedModel":
        return []
    if checkpoint.config["model_type"] == "modernvbert":
        name = "model.custom_text_proj"
    elif "vlm_config" in checkpoint.config or checkpoint.architecture == "ColQwen3":
        name = "embedding_proj_layer"
    else:
        name = "custom_text_proj"
    tensors = {"linear.weight": f"{name}.weight", "linear.bias": f"{name}.bias"}
    return [Head("Dense", {}, checkpoint.folder, tensors)]
