"""Answers `/classify` with what a cross-encoder's classifier says of single texts (infinity)."""

import time
from dataclasses import replace

import msgspec

from engine import CROSS_ENCODER

from ...endpoint import Call, Endpoint, has
from ...wire.ids import response_id
from ..tei.common import as_asked
from ..tei.predict import Prediction, Predictions
from ..vllm.classify import LABEL
from ..vllm.rerank import Usage
from .common import DIALECT, model_of, names_none


class ClassifyRequest(msgspec.Struct, kw_only=True):
    """Texts to classify. Scores are sigmoids of logits, and with `raw_scores` the logits. Long texts are cut."""

    input: list[str]
    model: str | None = None
    raw_scores: bool = False


class ClassifyResponse(msgspec.Struct, frozen=True, kw_only=True):
    """For each text its classes: there is one. `created` is in seconds since 1970."""

    object: str = "classify"
    data: list[Predictions]
    model: str
    usage: Usage
    id: str
    created: int


def classify(request: ClassifyRequest, call: Call) -> ClassifyResponse:
    """Answer one request."""
    model, engine = call.engine(model_of(request.model), CROSS_ENCODER)
    call.count(len(request.input), "input")
    classes = engine.classify(request.input, use_activation=False, truncate_prompt_tokens=-1, job=call.job)
    tokens = sum(classes.tokens)
    return ClassifyResponse(
        data=[[Prediction(score, LABEL)] for score in as_asked(classes.scores, request.raw_scores, engine)],
        model=model,
        usage=Usage(tokens, tokens),
        id=response_id("infinity", None, call),
        created=int(time.time()),
    )


_CLASSIFY = Endpoint(
    method="POST",
    paths=("/infinity/classify",),
    dialect=DIALECT,
    summary="Classify texts with a cross-encoder",
    request=ClassifyRequest,
    example={"input": ["Paris is in France.", "Cows eat grass."], "raw_scores": True},
    response=ClassifyResponse,
    answer=classify,
)

ENDPOINTS = (
    replace(
        _CLASSIFY,
        paths=("/classify",),
        when=lambda fields, headers: has(fields, "raw_scores") or names_none(fields),
        told_by="a body with `raw_scores`, or with the model `default/not-specified`",
    ),
    _CLASSIFY,
)
