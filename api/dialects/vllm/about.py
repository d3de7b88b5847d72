"""Answers what is served and how it is: models, version, load, health (vLLM and SageMaker)."""

import msgspec

from engine import __version__

from ...endpoint import Call, Endpoint
from ...wire.ids import random_id


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model_permission"
    created: int
    allow_create_engine: bool = False
    allow_sampling: bool = True
    allow_logprobs: bool = True
    allow_search_indices: bool = False
    allow_view: bool = True
    allow_fine_tuning: bool = False
    organization: str = "*"
    group: None = None
    is_blocking: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is when the artifact was exported, in seconds since 1970; `max_model_len` is in tokens."""

    id: str
    object: str = "model"
    created: int
    # What the vLLM API's clients expect here, whoever serves it.
    owned_by: str = "vllm"
    root: str
    parent: None = None
    max_model_len: int
    permission: list[Permission]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Model]


class Version(msgspec.Struct, frozen=True):
    version: str


class Load(msgspec.Struct, frozen=True):
    """Requests that are being answered."""

    server_load: int


def models(_: None, call: Call) -> ModelList:
    """The names that requests may use, aliases too; `root` is the artifact's own name."""
    return ModelList(
        data=[
            Model(
                id=name,
                created=engine.manifest.created,
                root=engine.manifest.name,
                max_model_len=engine.manifest.max_length,
                permission=[Permission(id=f"modelperm-{random_id()}", created=engine.manifest.created)],
            )
            for name, engine in call.models
        ]
    )


def version(_: None, call: Call) -> Version:
    return Version(__version__)


def load(_: None, call: Call) -> Load:
    return Load(call.gate.inside)


def alive(_: None, call: Call) -> None:
    """An empty answer, once all models are loaded."""


ENDPOINTS = (
    Endpoint("GET", ("/v1/models",), "OpenAI and vLLM", "What is served", ModelList, models),
    Endpoint("GET", ("/version",), "vLLM", "ScoreRT's version", Version, version),
    Endpoint("GET", ("/load",), "vLLM", "How many requests are being answered", Load, load),
    Endpoint("GET", ("/health", "/ping"), "vLLM", "Whether the server answers", None, alive),
    Endpoint("POST", ("/ping",), "SageMaker", "Whether the server answers", None, alive),
)
