"""Answers `/invocations` as the path that the body is a request for (SageMaker, as vLLM serves it)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from engine import Task

from ...endpoint import Binary, Call, Endpoint, has
from ...wire.requiring import require
from . import classify, embeddings, pooling, rerank, score
from .messages import as_input

T = TypeVar("T", bound=msgspec.Struct)

# The path that a model's own task has, and the one that has all of them.
_OWN: dict[Task, tuple[type[msgspec.Struct], Callable[[Any, Call], Any]]] = {
    "embed": (embeddings.EmbeddingsRequest, embeddings.embed),
    "classify": (classify.ClassifyRequest, classify.classify),
}
_ANY: tuple[type[msgspec.Struct], Callable[[Any, Call], Any]] = (pooling.PoolingRequest, pooling.pool)


def invoke(request: pooling.PoolingRequest, call: Call) -> msgspec.Struct | Binary:
    """Answer a request that has `input`: with `task` as `/pooling` does, else by the model's score type."""
    _, engine = call.engine(request.model)
    pooling.check_instruction(request, engine)
    kind, answer = _OWN.get(engine.manifest.scoring.task, _ANY) if request.task is None else _ANY
    answered: msgspec.Struct | Binary = answer(_as(kind, request), call)
    return answered


def invoke_conversation(request: pooling.PooledConversation, call: Call) -> msgspec.Struct | Binary:
    """Answer a request that has `messages`, likewise."""
    return invoke(as_input(pooling.PoolingRequest, request), call)


def _as(kind: type[T], request: pooling.PoolingRequest) -> T:
    """The same request in the words of another path, which has no field that is not here but Jina's.

    Raises as `require` for what that path does not know.
    """
    fields = msgspec.structs.fields(request)
    require(request, **{own.name: own.default for own in fields if own.name not in kind.__struct_fields__})
    return kind(**{name: getattr(request, name) for name in kind.__struct_fields__ if hasattr(request, name)})


def _invocation(endpoint: Endpoint, *named: str) -> Endpoint:
    told_by = " or ".join(f"`{name}`" for name in named)
    return replace(
        endpoint,
        paths=("/invocations",),
        dialect="vLLM",
        when=lambda fields, headers: has(fields, *named),
        told_by=f"a body with {told_by}",
    )


_RESPONSE = embeddings.EmbeddingsResponse | classify.ClassifyResponse | pooling.PoolingResponse | Binary

ENDPOINTS = (
    _invocation(rerank.RERANK, "query"),
    _invocation(score.SCORE, "queries", "data_1", "text_1"),
    Endpoint(
        method="POST",
        paths=("/invocations",),
        dialect="vLLM",
        summary="The embedding, token embeddings or class of a conversation's user's content, as the model gives them",
        request=pooling.PooledConversation,
        example={"messages": [{"role": "user", "content": "Paris is in France."}]},
        response=_RESPONSE,
        answer=invoke_conversation,
        when=lambda fields, headers: has(fields, "messages"),
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=("/invocations",),
        dialect="vLLM",
        summary="Embeddings, token embeddings or classes of texts and images, as the model gives them",
        request=pooling.PoolingRequest,
        example={"input": ["Paris is in France.", "Cows eat grass."]},
        response=_RESPONSE,
        answer=invoke,
        told_by="any other body",
    ),
)
