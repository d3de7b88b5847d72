"""Answers whether the server is ready, and what it serves (Weaviate)."""

import msgspec

from ...endpoint import Call, Endpoint
from .common import DIALECT


class Model(msgspec.Struct, frozen=True):
    """The first model that is served, in the names of transformers' configurations."""

    name: str = msgspec.field(name="_name_or_path")
    architectures: list[str]


def meta(_: None, call: Call) -> Model:
    name, engine = call.engine(None)
    return Model(name, [engine.manifest.architecture])


def ready(_: None, call: Call) -> None:
    """An empty answer, once all models are loaded."""


_READY = ("/.well-known/ready", "/.well-known/live")

ENDPOINTS = (
    Endpoint("GET", ("/meta",), DIALECT, "The first model that is served", Model, meta),
    Endpoint("GET", _READY, DIALECT, "Whether the server answers", None, ready),
)
