"""Answers `/pooling` with what a model's graph gives for texts and images, whatever that is (vLLM)."""

import time

import msgspec

from engine import BI_ENCODER, Engine, Floats, Task

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ...wire.contents import Inputs, several
from ...wire.ids import response_id
from ...wire.vectors import EncodingFormat, InputType, encoded, role
from .common import Common, CompletionUsage, common_arguments
from .messages import Messages, as_input


class PoolingOptions(Common, kw_only=True):
    """What both kinds of requests may say."""

    task: Task | None = None
    encoding_format: EncodingFormat = "float"
    dimensions: int | None = None
    input_type: InputType | None = None
    use_activation: bool | None = None


class PoolingRequest(PoolingOptions, kw_only=True):
    """`task` is the model's own where it is not given: embeddings of a bi-encoder, token embeddings of a
    late-interaction model, a cross-encoder's classes.

    `input_type` says which prompt or marker texts get; without it a bi-encoder's get none, and a late-interaction
    model's are documents. `instruction` is a bi-encoder's. `use_activation` null means true.
    """

    input: Inputs
    instruction: str | None = None


class PooledConversation(PoolingOptions, kw_only=True):
    """A conversation is one document, unless `input_type` says otherwise: the user's content.

    A system message replaces the instruction that a bi-encoder's prompt has.
    """

    messages: Messages


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
    check_instruction(request, engine)
    arguments = common_arguments(request, call)
    contents = several(request.input, engine, call)
    own = role(request.input_type)
    match request.task or engine.manifest.scoring.task:
        case "embed":
            embedded = engine.embed(
                contents, role=own, dimensions=request.dimensions, instruction=request.instruction, **arguments
            )
            return list(embedded.embeddings), embedded.tokens
        case "token_embed":
            by_token = engine.embed_tokens(contents, role=own or "document", **arguments)
            return by_token.embeddings, by_token.tokens
        case _:
            classes = engine.classify(contents, use_activation=request.use_activation is not False, **arguments)
            return list(classes.scores[:, None]), classes.tokens


def check_instruction(request: PoolingRequest, engine: Engine) -> None:
    """Raises `InvalidRequest` for an instruction to a model that takes none with single inputs."""
    if request.instruction is not None and engine.manifest.scoring is not BI_ENCODER:
        raise InvalidRequest("Only a bi-encoder's input has an instruction: leave it out.", "body.instruction")


def pool_conversation(request: PooledConversation, call: Call) -> PoolingResponse:
    """Answer one request."""
    return pool(as_input(PoolingRequest, request), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/pooling",),
        dialect="vLLM",
        summary="The embedding, token embeddings or class of a conversation's user's content",
        request=PooledConversation,
        response=PoolingResponse,
        answer=pool_conversation,
        when=lambda fields, headers: "messages" in fields,
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=("/pooling",),
        dialect="vLLM",
        summary="Embeddings, token embeddings or classes of texts and images, as the model gives them",
        request=PoolingRequest,
        response=PoolingResponse,
        answer=pool,
        told_by="any other body",
    ),
)
