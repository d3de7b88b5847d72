"""`/predict`: what a cross-encoder's classifier says of texts or pairs (TEI)."""

from typing import Any, Literal, cast

import msgspec

from engine import Engine
from engine.results import Floats

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ..vllm.classify import LABEL
from .common import DIALECT, Common, advise_truncate, as_asked, truncation_arguments

Sequence = list[str]
"""A text by itself, or a query and a document."""

PredictInputs = str | list[str | Sequence]
"""A text, a sequence, or several sequences."""


class PredictParameters(msgspec.Struct, kw_only=True):
    """What the Inference API has; "none" asks for logits."""

    function_to_apply: Literal["sigmoid", "none"] | None = None


class PredictRequest(Common, kw_only=True):
    """`raw_scores` asks for logits.

    `parameters` is what the Inference API's clients send, and TEI's do not. Those read a list for each sequence, also
    for one.
    """

    inputs: PredictInputs
    raw_scores: bool = False
    parameters: PredictParameters | None = None


class Prediction(msgspec.Struct, frozen=True):
    score: float
    label: str


Predictions = list[Prediction]
"""Of one sequence, for each class: there is one."""


@advise_truncate
def predict(request: PredictRequest, call: Call) -> Predictions | list[Predictions]:
    """Answer one request."""
    _, engine = call.engine(request.model, "cross-encoder")
    sequences = _sequences(request.inputs)
    call.count(len(sequences), "inputs")
    parameters = request.parameters
    raw = request.raw_scores or (parameters is not None and parameters.function_to_apply == "none")
    scores = as_asked(_logits(engine, sequences, truncation_arguments(request, call)), raw, engine)
    predictions = [[Prediction(score, LABEL)] for score in scores]
    lone = isinstance(request.inputs, str) or isinstance(request.inputs[0], str)
    return predictions[0] if lone and parameters is None else predictions


def _sequences(inputs: PredictInputs) -> list[Sequence]:
    """Raises `InvalidRequest` where texts and sequences are mixed up, or sequences of one and of two."""
    sequences = [[inputs]] if isinstance(inputs, str) else inputs
    if sequences and all(isinstance(text, str) for text in sequences):
        sequences = [cast(Sequence, sequences)]
    lengths = {len(sequence) if isinstance(sequence, list) else 0 for sequence in sequences}
    if lengths not in ({1}, {2}):
        raise InvalidRequest(
            "inputs must be a text, a pair [query, document], a list of pairs, or a list of texts that are lists of "
            "one: send texts and pairs apart.",
            "body.inputs",
        )
    return cast("list[Sequence]", sequences)


def _logits(engine: Engine, sequences: list[Sequence], arguments: dict[str, Any]) -> Floats:
    if len(sequences[0]) == 1:
        return engine.classify([text for (text,) in sequences], use_activation=False, **arguments).scores
    queries, documents = map(list, zip(*sequences, strict=True))
    return engine.score(queries, documents, use_activation=False, **arguments).scores


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/predict",),
        dialect=DIALECT,
        summary="Classify texts or pairs with a cross-encoder",
        request=PredictRequest,
        response=list[Prediction | Predictions],
        answer=predict,
    ),
)
