"""Answers `/predict` with what a cross-encoder's classifier says of texts or pairs (TEI)."""

from typing import Literal, cast

import msgspec

from engine import CROSS_ENCODER, Engine

from ...endpoint import Call, Endpoint
from ...errors import InvalidField
from ...wire.long_documents import ChunksRequest, ChunksResult, told_chunks
from ...wire.requiring import require
from ..vllm.classify import LABEL
from .common import DIALECT, WORDS, Scoring, as_asked, chunks_as_asked, long_documents_of, truncation_arguments

TextOrPair = list[str]
"""A text by itself, or a query and a document."""

PredictInputs = str | list[str | TextOrPair]
"""A text, or a text or pair in a list, or several of those."""


class PredictParameters(msgspec.Struct, kw_only=True):
    """What the Inference API has; "none" asks for logits."""

    function_to_apply: Literal["sigmoid", "none"] | None = None


class PredictRequest(Scoring, kw_only=True):
    """`raw_scores` asks for logits. `long_documents` and the fields beside it are for pairs.

    `parameters` is what the Inference API's clients send, and TEI's do not. The Inference API's clients read a list for
    each text or pair, even if there is one.
    """

    inputs: PredictInputs
    raw_scores: bool = False
    parameters: PredictParameters | None = None


class Prediction(ChunksResult, frozen=True):
    score: float
    label: str


Predictions = list[Prediction]
"""Of one sequence, for each class: there is one."""


def predict(request: PredictRequest, call: Call) -> Predictions | list[Predictions]:
    """Answer one request."""
    _, engine = call.engine(request.model, CROSS_ENCODER)
    items = _items(request.inputs)
    call.count(len(items), "inputs")
    parameters = request.parameters
    raw = request.raw_scores or (parameters is not None and parameters.function_to_apply == "none")
    if len(items[0]) == 1:
        require(request, **dict.fromkeys(ChunksRequest.__struct_fields__))
        texts = [text for (text,) in items]
        classes = engine.classify(texts, use_activation=False, **truncation_arguments(request, call))
        predictions = [[Prediction(score, LABEL)] for score in as_asked(classes.scores, raw, engine)]
    else:
        predictions = _of_pairs(engine, items, raw, request, call)
    lone = isinstance(request.inputs, str) or isinstance(request.inputs[0], str)
    return predictions[0] if lone and parameters is None else predictions


def _items(inputs: PredictInputs) -> list[TextOrPair]:
    """Raises `InvalidField` where texts and pairs are mixed up, bare texts and lists of one too."""
    items = [[inputs]] if isinstance(inputs, str) else inputs
    if items and all(isinstance(text, str) for text in items):
        items = [cast(TextOrPair, items)]
    lengths = {len(item) if isinstance(item, list) else 0 for item in items}
    if lengths not in ({1}, {2}):
        raise InvalidField(
            "inputs must be a text, a pair [query, document], a list of pairs, or a list of texts that are lists of "
            "one: send texts and pairs apart.",
            "body.inputs",
        )
    return cast("list[TextOrPair]", items)


def _of_pairs(
    engine: Engine, items: list[TextOrPair], raw: bool, request: PredictRequest, call: Call
) -> list[Predictions]:
    queries, documents = map(list, zip(*items, strict=True))
    scored = engine.score(
        queries,
        documents,
        use_activation=False,
        truncation_side=request.truncation_direction.lower(),
        job=call.job,
        **long_documents_of(request, call),
    )
    scores = as_asked(scored.scores, raw, engine)
    chunks = [chunks_as_asked(told_chunks(scored.chunks_of(n), request), raw, engine) for n in range(len(items))]
    return [[Prediction(score, LABEL, **own)] for score, own in zip(scores, chunks, strict=True)]


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/predict",),
        dialect=DIALECT,
        summary="Classify texts or pairs with a cross-encoder",
        request=PredictRequest,
        example={"inputs": ["capital of France", "Paris is in France."]},
        response=list[Prediction | Predictions],
        answer=predict,
        words=WORDS,
    ),
)
