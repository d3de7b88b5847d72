"""Answers `/pooling` with what a model's graph gives for texts and images, whatever that is (vLLM)."""

import time

import msgspec

from engine import BI_ENCODER, Engine, Floats, Task, UnsupportedTask, normalized

from ...endpoint import Binary, Call, Endpoint, has
from ...errors import InvalidRequest, NoPlugin
from ...wire.contents import Inputs, several
from ...wire.ids import response_id
from ...wire.requiring import require
from ...wire.vectors import InputType, is_normalizing, role
from .common import CompletionUsage, common_arguments
from .encoding import Encoded
from .messages import Messages, as_input


class PoolingOptions(Encoded, kw_only=True):
    """What both kinds of requests may say."""

    task: str | None = None
    dimensions: int | None = None
    input_type: InputType | None = None
    use_activation: bool | None = None


class PoolingRequest(PoolingOptions, kw_only=True):
    """`task` is the model's own where it is not given: embeddings of a bi-encoder, token embeddings of a
    late-interaction model, a cross-encoder's classes.

    `input_type` says which prompt or marker texts get; without it a bi-encoder's get none, and a late-interaction
    model's are documents. `instruction` and `dimensions` are a bi-encoder's. `use_activation` null means true for
    classes; for embeddings true makes them of length 1, and false is refused where the model's own last step does so.
    """

    input: Inputs
    instruction: str | None = None
    add_special_tokens: bool | None = None


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


def pool(request: PoolingRequest, call: Call) -> PoolingResponse | Binary:
    """Answer one request."""
    model, engine = call.engine(request.model)
    rows, tokens = _rows(request, engine, call)
    identifier, created = response_id("pooling", request.request_id, call), int(time.time())
    usage = CompletionUsage.of(sum(tokens))
    return request.binary(rows, identifier, created, model, usage) or PoolingResponse(
        id=identifier,
        created=created,
        model=model,
        data=[Pooled(index=index, data=request.encoded(row)) for index, row in enumerate(rows)],
        usage=usage,
    )


def _rows(request: PoolingRequest, engine: Engine, call: Call) -> tuple[list[Floats], list[int]]:
    task = _task(request, engine)
    check_instruction(request, engine)
    require(request, add_special_tokens=True)
    arguments = common_arguments(request, call)
    own = role(request.input_type)
    if task == "classify":
        require(request, dimensions=None, input_type=None)
        contents = several(request.input, engine, call)
        classes = engine.classify(contents, use_activation=request.use_activation is not False, **arguments)
        return list(classes.scores[:, None]), classes.tokens
    normalizing = is_normalizing(engine, use_activation=request.use_activation)
    contents = several(request.input, engine, call)
    if task == "embed":
        embedded = engine.embed(
            contents, role=own, dimensions=request.dimensions, instruction=request.instruction, **arguments
        )
        rows, tokens = list(embedded.embeddings), embedded.tokens
    else:
        require(request, dimensions=None)
        by_token = engine.embed_tokens(contents, role=own or "document", **arguments)
        rows, tokens = by_token.embeddings, by_token.tokens
    return [normalized(row) for row in rows] if normalizing else rows, tokens


def _task(request: PoolingRequest, engine: Engine) -> Task:
    """The task of a request, which is the model's own. Raises `UnsupportedTask` for others, in vLLM's words."""
    own = engine.manifest.scoring.task
    if request.task == "plugin":
        raise NoPlugin
    if request.task not in (None, own):
        raise UnsupportedTask(request.task, [own])
    return own


def check_instruction(request: PoolingRequest, engine: Engine) -> None:
    """Raises `InvalidRequest` for an instruction to a model that takes none with single inputs."""
    if request.instruction is not None and engine.manifest.scoring is not BI_ENCODER:
        raise InvalidRequest("Only a bi-encoder's input has an instruction: leave it out.", "body.instruction")


def pool_conversation(request: PooledConversation, call: Call) -> PoolingResponse | Binary:
    """Answer one request."""
    return pool(as_input(PoolingRequest, request), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/pooling",),
        dialect="vLLM",
        summary="The embedding, token embeddings or class of a conversation's user's content",
        request=PooledConversation,
        example={"messages": [{"role": "user", "content": "Paris is in France."}]},
        response=PoolingResponse | Binary,
        answer=pool_conversation,
        when=lambda fields, headers: has(fields, "messages"),
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=("/pooling",),
        dialect="vLLM",
        summary="Embeddings, token embeddings or classes of texts and images, as the model gives them",
        request=PoolingRequest,
        example={"input": ["Paris is in France.", "Cows eat grass."]},
        response=PoolingResponse | Binary,
        answer=pool,
        told_by="any other body",
    ),
)
