"""Answers `/` and `/invocations` as the model's own path does (TEI, for the Inference API's clients and SageMaker)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from engine import Task

from ...endpoint import Call, Endpoint, has
from ...wire.answered import answered
from ...wire.decoding import decode
from . import embed, predict
from .common import DIALECT, WORDS


class Named(msgspec.Struct):
    """The part of any request that says which model it is for."""

    model: str | None = None


_ANSWERS: dict[Task, tuple[Any, Callable[[Any, Call], Any]]] = {
    "classify": (predict.PredictRequest, predict.predict),
    "embed": (embed.EmbedRequest, embed.embed),
    "token_embed": (embed.EmbedAllRequest, embed.embed_all),
}


def answer(body: msgspec.Raw, call: Call) -> predict.Predictions | list[Any]:
    """Answer a request as `/predict`, `/embed` or `/embed_all` does, by the model's score type."""
    content = bytes(body)
    _, engine = call.engine(decode(content, Named).model)
    kind, task = _ANSWERS[engine.manifest.scoring.task]
    said: predict.Predictions | list[Any] = answered(content, kind, task, WORDS, call)
    return said


_ROOT = Endpoint(
    method="POST",
    paths=("/",),
    dialect=DIALECT,
    summary="Classes, embeddings or token embeddings of texts, as the model gives them",
    request=msgspec.Raw,
    example={"inputs": "Paris is in France."},
    response=list[predict.Prediction | list[Any]],
    answer=answer,
    kinds=tuple(kind for kind, _ in _ANSWERS.values()),
    told_by="any other body",
)

ENDPOINTS = (
    replace(
        _ROOT,
        paths=("/invocations",),
        when=lambda fields, headers: has(fields, "inputs"),
        told_by="a body with `inputs`",
    ),
    _ROOT,
)
