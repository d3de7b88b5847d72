"""Reads the recipes of rerankers and embedders made of Qwen2-VL and Qwen3-VL."""

from dataclasses import replace

from engine.artifact.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...recipe import Head, Marking, PictureRecipe, Recipe
from ..families import read_template
from .bodies import pictures

_LAST_TOKEN = {"pooling_mode": "lasttoken"}
_SCORE_TOKEN = 100
"""The token that jina-reranker-m0 reads its score from, appended to every prompt."""
_JINA_BIAS = -2.65
"""What jina-reranker-m0 adds to its logit (modeling.py: `LOGIT_BIAS`)."""
_JINA_PIXELS = (4 * 28**2, 768 * 28**2)
"""The pixels that its `compute_score` gives a picture."""
_QWEN3_PIXELS = (4 * 32**2, 1800 * 32**2)
"""Those that Qwen3-VL-Embedding's code gives a picture (https://github.com/QwenLM/Qwen3-VL-Embedding)."""

_DSE_PIXELS = (4 * 28**2, 2560 * 28**2)
"""Those that the code on DSE's model card gives a picture, after qwen_vl_utils has made the smallest larger."""


def jina(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """jina-reranker-m0: the document first, and two layers over the state of a token of its own."""
    layers = [
        Head(
            "Dense",
            {"activation_function": "torch.nn.modules.activation.ReLU"},
            checkpoint.folder,
            {"linear.weight": "score.0.weight", "linear.bias": "score.0.bias"},
        ),
        Head(
            "Dense",
            {"shift": _JINA_BIAS},
            checkpoint.folder,
            {"linear.weight": "score.2.weight", "linear.bias": "score.2.bias"},
        ),
    ]
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        # Documents are cut to leave 512 tokens for the query.
        max_length=10240 if prompts == "authors" else None,
        heads=[Head("Pooling", _LAST_TOKEN, checkpoint.folder), *layers],
        activation="sigmoid",
        template=read_template("jina-reranker-m0.jinja"),
        surrounded=False,
        pictures=_within(checkpoint, prompts, _JINA_PIXELS),
        end=(_SCORE_TOKEN,),
    )


def qwen3_reranker(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """Qwen3-VL-Reranker: the rows of "yes" and "no" of the language model's output."""
    tokens = [*checkpoint.config.texts("classifier_from_token", ("no", "yes"))]
    template = read_template("qwen3-vl-reranker.jinja")
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        max_length=10240 if prompts == "authors" else None,
        heads=[
            Head("Pooling", _LAST_TOKEN, checkpoint.folder),
            Head("TokenRows", {"tokens": tokens, "scale": 1.0}, checkpoint.folder),
        ],
        activation="sigmoid",
        # vLLM's template writes nothing for an empty side (examples/pooling/score/template/qwen3_vl_reranker.jinja).
        template=template.replace('"NULL"', '""') if prompts == "vllm" else template,
        surrounded=False,
        pictures=_within(checkpoint, prompts, _QWEN3_PIXELS),
    )


def qwen3_embedding(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """Qwen3-VL-Embedding: the last token's state, after an instruction that a request may replace."""
    instruction = "Represent the user's input."
    prompt = f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n"
    own = _embedder(checkpoint, prompt, prompt + "{pictures}{text}" + tail, tail, "", prompts, _QWEN3_PIXELS)
    if prompts == "vllm":
        return own
    side = replace(own.query, empty="NULL")
    return replace(own, max_length=8192, query=side, document=side)


def dse(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """DSE: documents are pictures with a question, and texts stand beside a picture of nothing.

    See https://huggingface.co/MrLight/dse-qwen2-2b-mrl-v1, which asks for that picture with sides of 1. The smallest
    that qwen_vl_utils makes has 56.
    """
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
    caption = "What is shown in this image?"
    own = _embedder(checkpoint, "", system + "{pictures}{text}" + tail, "", caption, prompts, _DSE_PIXELS)
    if prompts == "vllm":
        return own
    side = replace(own.query, blank=56)
    return replace(own, query_prompt="Query: ", document_prompt="Document: ", query=side, document=side)


def _embedder(
    checkpoint: Checkpoint,
    prompt: str,
    page: str,
    tail: str,
    caption: str,
    prompts: Prompts,
    pixels: tuple[int, int] | None = None,
) -> Recipe:
    marking = Marking(tail=tail, pictured=page, caption=caption)
    if prompts == "vllm":
        prompt, marking = "", Marking(pictured="{pictures}{text}")
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        heads=[Head("Pooling", _LAST_TOKEN, checkpoint.folder), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=prompt,
        document_prompt=prompt,
        query=marking,
        document=marking,
        pictures=_within(checkpoint, prompts, pixels),
    )


def _within(checkpoint: Checkpoint, prompts: Prompts, pixels: tuple[int, int] | None) -> PictureRecipe:
    """How the body reads pictures, of as many pixels as the authors give them."""
    return replace(pictures(checkpoint.native), pixels=pixels if prompts == "authors" else None)
