"""Answers `/models` with what is served and what it can do, and `/infinity/health` (infinity)."""

import time
from typing import Literal

import msgspec

from engine import Engine

from ...endpoint import Call, Endpoint
from .common import DIALECT

Capability = Literal["rerank", "classify", "embed", "image_embed"]


class Stats(msgspec.Struct, frozen=True):
    """Requests of the whole server that are being answered."""

    results_pending: int


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is when the artifact was exported, in seconds since 1970."""

    id: str
    stats: Stats
    object: str = "model"
    # What infinity's client expects here, whoever serves it.
    owned_by: str = "infinity"
    created: int
    backend: str = "onnxruntime"
    capabilities: list[Capability]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[Model]
    object: str = "list"


class Health(msgspec.Struct, frozen=True):
    """The time of the answer, in seconds since 1970."""

    unix: float


def models(_: None, call: Call) -> ModelList:
    """The names that requests may use, aliases too."""
    return ModelList(
        data=[
            Model(
                id=name,
                stats=Stats(call.gate.inside),
                created=engine.manifest.created,
                capabilities=_capabilities(engine),
            )
            for name, engine in call.models
        ]
    )


def _capabilities(engine: Engine) -> list[Capability]:
    match engine.manifest.scoring.task:
        case "classify":
            return ["rerank", "classify"]
        case "embed":
            return ["rerank", "embed"] if engine.manifest.pictures is None else ["rerank", "embed", "image_embed"]
        case _:
            return ["rerank"]


def health(_: None, call: Call) -> Health:
    return Health(time.time())


ENDPOINTS = (
    Endpoint("GET", ("/models", "/infinity/models"), DIALECT, "What is served, and what it can do", ModelList, models),
    Endpoint("GET", ("/infinity/health",), DIALECT, "Whether the server answers", Health, health),
)
