"""Answers `/models` and `/models/MODEL` with what is served, and which parameters it takes (Pinecone)."""

from typing import Literal

import msgspec

from engine import BI_ENCODER, Engine

from ...endpoint import Call, Endpoint
from .common import DIALECT, TOLD_BY, from_pinecone_client

Kind = Literal["embed", "rerank"]


class SupportedParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a request's `parameters`."""

    parameter: str
    type: Literal["one_of", "any"] = "one_of"
    value_type: Literal["string", "integer"] = "string"
    required: bool = False
    allowed_values: list[str] | None = None
    default: str | None = None


_TRUNCATE = ["END", "NONE"]
_PARAMETERS: dict[Kind, list[SupportedParameter]] = {
    "embed": [
        SupportedParameter(parameter="input_type", allowed_values=["query", "passage"]),
        SupportedParameter(parameter="truncate", allowed_values=_TRUNCATE, default="END"),
        SupportedParameter(parameter="dimension", type="any", value_type="integer"),
    ],
    "rerank": [SupportedParameter(parameter="truncate", allowed_values=_TRUNCATE, default="NONE")],
}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`max_sequence_length` is in tokens; what is null is not known of a reranker."""

    model: str
    short_description: str
    type: Kind
    vector_type: Literal["dense"] | None
    default_dimension: int | None
    modality: str = "text"
    max_sequence_length: int
    max_batch_size: int
    provider_name: str = "ScoreRT"
    supported_parameters: list[SupportedParameter]


class ModelList(msgspec.Struct, frozen=True):
    models: list[Model]


def models(_: None, call: Call) -> ModelList:
    """The names that requests may use, aliases too, of the type that the query string names."""
    described = [_described(name, engine, call) for name, engine in call.models]
    kind, vectors = map(call.parameters.get, ("type", "vector_type"))
    return ModelList(
        [own for own in described if kind in (None, own.type) and vectors in (None, own.vector_type)],
    )


def model(_: None, call: Call) -> Model:
    """One of them."""
    return _described(*call.engine(call.places["model"]), call)


def _described(name: str, engine: Engine, call: Call) -> Model:
    embeds = engine.manifest.scoring is BI_ENCODER
    kind: Kind = "embed" if embeds else "rerank"
    return Model(
        model=name,
        short_description=f"{engine.manifest.architecture}, a {engine.manifest.score_type}",
        type=kind,
        vector_type="dense" if embeds else None,
        default_dimension=engine.manifest.dimension,
        max_sequence_length=engine.manifest.max_length,
        max_batch_size=call.limits.max_documents,
        supported_parameters=_PARAMETERS[kind],
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        ("/models",),
        DIALECT,
        "What is served, and which parameters it takes",
        ModelList,
        models,
        when=from_pinecone_client,
        told_by=TOLD_BY,
    ),
    Endpoint("GET", ("/models/{model:path}",), DIALECT, "A model, and which parameters it takes", Model, model),
)
