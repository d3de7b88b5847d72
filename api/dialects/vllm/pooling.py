"""Answers `/pooling` with what a model's graph gives for texts, whatever that is (vLLM)."""

import time

import msgspec

from engine import Engine, Floats, Task

from ...endpoint import Call, Endpoint
from ...wire.ids import response_id
from ...wire.texts import TextsOrTokens, several
from ...wire.vectors import EncodingFormat, InputType, encoded, role
from .common import Common, CompletionUsage, common_arguments


class PoolingRequest(Common, kw_only=True):
    """`task` is the model's own where it is not given: embeddings of a bi-encoder, token embeddings of a
    late-interaction model, a cross-encoder's classes.

    `input_type` says which prompt or marker texts get; without it a bi-encoder's get none, and a late-interaction
    model's are documents. `use_activation` null means true.
    """

    input: TextsOrTokens
    task: Task | None = None
    encoding_format: EncodingFormat = "float"
    dimensions: int | None = None
    input_type: InputType | None = None
    use_activation: bool | None = None


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """`data` is an embedding, token embeddings, or classes' scores; in base64 their rows follow one another."""

    index: int
    object: str = "pooling"
    data: list[float | list[float]] | str


class PoolingResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Pooled]
    usage: CompletionUsage


def pool(request: PoolingRequest, call: Call) -> PoolingResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    rows, tokens = _rows(request, engine, call)
    return PoolingResponse(
        id=response_id("pooling", request.request_id, call),
        created=int(time.time()),
        model=model,
        data=[Pooled(index=index, data=encoded(row, request.encoding_format)) for index, row in enumerate(rows)],
        usage=CompletionUsage.of(sum(tokens)),
    )


def _rows(request: PoolingRequest, engine: Engine, call: Call) -> tuple[list[Floats], list[int]]:
    texts = several(request.input, call)
    arguments = common_arguments(request, call)
    match request.task or engine.manifest.scoring.task:
        case "embed":
            embedded = engine.embed(texts, role=role(request.input_type), dimensions=request.dimensions, **arguments)
            return list(embedded.embeddings), embedded.tokens
        case "token_embed":
            by_token = engine.embed_tokens(texts, role=role(request.input_type) or "document", **arguments)
            return by_token.embeddings, by_token.tokens
        case _:
            classes = engine.classify(texts, use_activation=request.use_activation is not False, **arguments)
            return list(classes.scores[:, None]), classes.tokens


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/pooling",),
        dialect="vLLM",
        summary="Embeddings, token embeddings or classes of texts, as the model gives them",
        request=PoolingRequest,
        response=PoolingResponse,
        answer=pool,
    ),
)
