"""Reads the recipes of Llama-Nemotron-VL: a reranker and an embedder, both with the mean over all tokens."""

from dataclasses import replace

from engine.artifact.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...checkpoint.published import nemotron
from ...recipe import Head, Marking, Recipe
from ..families import read_template
from .bodies import pictures


def reranker(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """The logit is divided by the configuration's temperature, which vLLM does not do."""
    native = checkpoint.native
    scale = 1.0 / native["temperature"] if prompts == "authors" else 1.0
    own = checkpoint.json("processor_config.json")
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        max_length=own.length("rerank_max_length") if prompts == "authors" else None,
        heads=[
            _pooling(checkpoint),
            Head("Dense", {"scale": scale}, checkpoint.folder, {"linear.weight": "score.weight"}),
        ],
        activation="sigmoid",
        template=read_template("nemotron-rerank-vl.jinja"),
        pictures=replace(pictures(native), on_queries=False),
    )


def embedder(checkpoint: Checkpoint, prompts: Prompts) -> Recipe:
    """Queries are texts and passages either or both: `processing_llama_nemotron_vl.py`."""
    query, passage = ("", "") if prompts == "vllm" else _prefixes(checkpoint)
    # The space after a picture stays where there is no text.
    side = Marking(pictured=f"<|begin_of_text|>{passage}{{pictures}} {{text}}")
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        max_length=checkpoint.config.length("p_max_length") if prompts == "authors" else None,
        heads=[_pooling(checkpoint), Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        query_prompt=query,
        document_prompt=passage,
        query=side,
        document=side,
        pictures=pictures(checkpoint.native),
    )


def _prefixes(checkpoint: Checkpoint) -> tuple[str, str]:
    """What queries and passages begin with, as the checkpoint's own processor says."""
    settings = checkpoint.json("processor_config.json")
    names = {"query_prefix": "query:", "passage_prefix": "passage:"}
    query, passage = (f"{settings.text(name, default)} ".lstrip() for name, default in names.items())
    return query, passage


def _pooling(checkpoint: Checkpoint) -> Head:
    return Head("Pooling", {"pooling_mode": nemotron.POOLING[checkpoint.native["pooling"]]}, checkpoint.folder)
