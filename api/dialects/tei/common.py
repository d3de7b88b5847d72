"""Defines what the requests of TEI's API have in common, and hands it on to the engine."""

from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from engine import Engine, Floats, LongDocuments, TextArguments, sigmoid

from ...endpoint import Call
from ...wire.long_documents import LongDocumentArguments, ToldChunks, long_document_arguments
from ...words import Words

PromptName = Literal["query", "document", "passage"]
"""Which of a model's prompts a text gets."""

DIALECT = "TEI"

WORDS = Words({"truncation_side": "truncation_direction"}, "truncate to true")


class Truncated(msgspec.Struct, kw_only=True):
    """Whether long texts are cut to what the model takes, and at which end; else they are refused.

    The default is TEI's, to cut them, unless the server was told otherwise (`--no-auto-truncate`).
    """

    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] = "right"


class Common(Truncated, kw_only=True):
    """What every request may say. TEI serves one model and knows no `model`; here it picks one of several."""

    model: str | None = None


class Scoring(Common, kw_only=True):
    """What requests that score documents may say besides, in words that are ScoreRT's own."""

    long_documents: LongDocuments | None = None
    max_chunks_per_doc: int | None = None
    chunk_overlap: int | None = None
    return_chunks: bool | None = None


def long_documents_of(request: Scoring, call: Call) -> LongDocumentArguments:
    """The engine's arguments for a request's long documents. Raises as `long_document_arguments`."""
    return long_document_arguments(
        request,
        call,
        cuts=request.truncate,
        habit="truncate" if call.limits.auto_truncate else "refuse",
        field="truncate",
        side=request.truncation_direction.lower(),
    )


def truncation_arguments(request: Truncated, call: Call) -> TextArguments:
    """The keyword arguments that all of the engine's calls have."""
    cuts = call.limits.auto_truncate if request.truncate is None else request.truncate
    return {
        "truncate_prompt_tokens": -1 if cuts else None,
        "truncation_side": request.truncation_direction.lower(),
        "job": call.job,
    }


def as_asked(scores: Floats, raw_scores: bool, engine: Engine) -> list[float]:
    """The sigmoid of a cross-encoder's logits, unless they are asked for raw.

    TEI does so for every model, also where the model's own activation is the identity. An embedder's scores are no
    logits, and stay.
    """
    is_logits = engine.manifest.scoring.reads_pairs
    answered: list[float] = (sigmoid(scores) if is_logits and not raw_scores else scores).tolist()
    return answered


def chunks_as_asked(told: ToldChunks, raw_scores: bool, engine: Engine) -> ToldChunks:
    """The scores of a document's chunks likewise."""
    if "chunks" not in told:
        return told
    scores = as_asked(np.array([chunk.score for chunk in told["chunks"]], np.float32), raw_scores, engine)
    return {**told, "chunks": [replace(own, score=score) for own, score in zip(told["chunks"], scores, strict=True)]}
