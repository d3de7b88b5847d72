"""Answers `/v1/embeddings` with a bi-encoder's embeddings of texts and images (OpenAI, vLLM and Jina)."""

import time

import msgspec

from engine import BI_ENCODER, Role

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ...wire.contents import Inputs, several
from ...wire.ids import response_id
from ...wire.vectors import EncodingFormat, InputType, encoded, role
from .common import Common, CompletionUsage, common_arguments
from .messages import Messages, as_input

PATHS = ("/v1/embeddings", "/embeddings")

# The tasks of Jina's models that the prompts of a model are for.
_TASKS: dict[str | None, Role] = {"retrieval.query": "query", "retrieval.passage": "document"}


class EmbeddingOptions(Common, kw_only=True):
    """What both kinds of requests may say."""

    encoding_format: EncodingFormat = "float"
    dimensions: int | None = None
    input_type: InputType | None = None


class EmbeddingsRequest(EmbeddingOptions, kw_only=True):
    """Texts are embedded as they are, unless `input_type` says which of the model's prompts they get.

    Jina's `task` says so too: "retrieval.query" and "retrieval.passage"; others change nothing. `dimensions` cuts the
    embeddings of Matryoshka models.
    """

    input: Inputs
    instruction: str | None = None
    task: str | None = None
    return_multivector: bool | None = None


class EmbeddedConversation(EmbeddingOptions, kw_only=True):
    """A conversation is one document, unless `input_type` says otherwise: the user's content is embedded.

    A system message replaces the instruction that the model's prompt has.
    """

    messages: Messages


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    object: str = "embedding"
    embedding: list[float] | str


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings in the order of the inputs. `created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Embedding]
    usage: CompletionUsage


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    if request.return_multivector:
        raise InvalidRequest(
            "return_multivector is for late-interaction models: send the same to /pooling, and name one.",
            "body.return_multivector",
        )
    arguments = common_arguments(request, call)
    embedded = engine.embed(
        several(request.input, engine, call),
        role=role(request.input_type) or _TASKS.get(request.task),
        dimensions=request.dimensions,
        instruction=request.instruction,
        **arguments,
    )
    return EmbeddingsResponse(
        id=response_id("embd", request.request_id, call),
        created=int(time.time()),
        model=model,
        data=[
            Embedding(index=index, embedding=encoded(row, request.encoding_format))  # type: ignore[arg-type]
            for index, row in enumerate(embedded.embeddings)
        ],
        usage=CompletionUsage.of(sum(embedded.tokens)),
    )


def embed_conversation(request: EmbeddedConversation, call: Call) -> EmbeddingsResponse:
    """Answer one request."""
    return embed(as_input(EmbeddingsRequest, request), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=PATHS,
        dialect="OpenAI and vLLM",
        summary="Embed the user's content of a conversation with a bi-encoder",
        request=EmbeddedConversation,
        response=EmbeddingsResponse,
        answer=embed_conversation,
        when=lambda fields, headers: "messages" in fields,
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=PATHS,
        dialect="OpenAI, vLLM and Jina",
        summary="Embed texts and images with a bi-encoder",
        request=EmbeddingsRequest,
        response=EmbeddingsResponse,
        answer=embed,
        told_by="any other body",
    ),
)
