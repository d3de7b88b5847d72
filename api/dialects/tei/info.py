"""Answers `/info` with what is served and within what limits (TEI's fields, and a list of models)."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from engine import PRECISIONS, Engine, ScoreTypeName, __version__, cores

from ...endpoint import Call, Endpoint
from ..vllm.classify import LABEL
from .common import DIALECT


class Classifier(msgspec.Struct, frozen=True):
    id2label: dict[str, str]
    label2id: dict[str, int]


class Embedding(msgspec.Struct, frozen=True):
    """`pooling` is null for late-interaction models, which have none."""

    pooling: str | None


class ModelType(msgspec.Struct, frozen=True):
    """One of the two: cross-encoders are rerankers, the others embed."""

    reranker: Classifier | UnsetType = UNSET
    embedding: Embedding | UnsetType = UNSET


Modality: TypeAlias = Literal["text", "image"]


class ServedModel(msgspec.Struct, frozen=True):
    """`max_length` is in tokens; `provider` is the execution provider that runs the graph.

    `modalities` are what queries and documents may be made of: text, and images where the model reads some.
    """

    name: str
    score_type: ScoreTypeName
    architecture: str
    precision: str
    provider: str
    max_length: int
    modalities: list[Modality]


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """One model, in TEI's fields, and then all names that requests may use for `model`.

    `max_input_length` and `max_batch_tokens` are in tokens, of a text or pair and of a request. `model_dtype` is the
    precision of quantised graphs.
    """

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None = None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str = __version__
    sha: str | None = None
    docker_label: str | None = None
    models: list[ServedModel]


def info(_: None, call: Call) -> Info:
    """Answer for the model that the query string names, or the default."""
    name, engine = call.engine(call.parameters.get("model"))
    return Info(
        model_id=name,
        model_sha=engine.manifest.source.revision,
        model_dtype=PRECISIONS[engine.graph.precision].dtype,
        model_type=_model_type(engine),
        max_concurrent_requests=call.limits.max_concurrent_requests,
        max_input_length=engine.manifest.max_length,
        max_batch_tokens=call.limits.max_request_tokens,
        max_client_batch_size=call.limits.max_documents,
        auto_truncate=call.limits.auto_truncate,
        tokenization_workers=cores(),
        models=[
            ServedModel(
                name,
                engine.manifest.score_type,
                engine.manifest.architecture,
                engine.graph.precision,
                engine.provider,
                engine.manifest.max_length,
                ["text"] if engine.manifest.pictures is None else ["text", "image"],
            )
            for name, engine in call.models
        ],
    )


def _model_type(engine: Engine) -> ModelType:
    if engine.manifest.scoring.reads_pairs:
        return ModelType(reranker=Classifier({"0": LABEL}, {LABEL: 0}))
    return ModelType(embedding=Embedding(engine.manifest.pooling))


ENDPOINTS = (Endpoint("GET", ("/info",), DIALECT, "What is served, and within what limits", Info, info),)
