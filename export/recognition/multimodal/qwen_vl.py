"""Reads the recipes of rerankers and embedders made of Qwen2-VL and Qwen3-VL."""

from engine.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...recipe import Head, Marking, Recipe
from ..families import read_template
from .bodies import pictures

_LAST_TOKEN = {"pooling_mode": "lasttoken"}
_SCORE_TOKEN = 100
"""The token that jina-reranker-m0 reads its score from, appended to every prompt."""
_JINA_BIAS = -2.65
"""What jina-reranker-m0 adds to its logit (modeling.py: `LOGIT_BIAS`)."""


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
        pictures=pictures(checkpoint.native),
        end=(_SCORE_TOKEN,),
    )


def qwen3_reranker(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """Qwen3-VL-Reranker: the rows of "yes" and "no" of the language model's output."""
    tokens = checkpoint.config.get("classifier_from_token") or ["no", "yes"]
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
        pictures=pictures(checkpoint.native),
    )


def qwen3_embedding(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """Qwen3-VL-Embedding: the last token's state, after an instruction that a request may replace."""
    instruction = "Represent the user's input."
    prompt = f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n"
    return _embedder(checkpoint, prompt, prompt + "{pictures}{text}" + tail, tail, "", 8192, prompts)


def dse(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """DSE: documents are pictures with a question, and a query begins with a picture of nothing that is left out here.

    See https://huggingface.co/MrLight/dse-qwen2-2b-mrl-v1.
    """
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
    caption = "What is shown in this image?"
    return _embedder(checkpoint, system, system + "{pictures}{text}" + tail, tail, caption, None, prompts)


def _embedder(
    checkpoint: Checkpoint,
    prompt: str,
    page: str,
    tail: str,
    caption: str,
    max_length: int | None,
    prompts: Prompts,
) -> Recipe:
    marking = Marking(tail=tail, pictured=page, caption=caption)
    if prompts == "vllm":
        prompt, marking = "", Marking(pictured="{pictures}{text}")
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        max_length=max_length if prompts == "authors" else None,
        heads=[Head("Pooling", _LAST_TOKEN, checkpoint.folder), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=prompt,
        document_prompt=prompt,
        query=marking,
        document=marking,
        pictures=pictures(checkpoint.native),
    )
