"""Answers `/v1/embeddings` with a bi-encoder's embeddings of texts and images (OpenAI, vLLM and Jina)."""

import time
from typing import Literal

import msgspec

from engine import BI_ENCODER, Role, normalized

from ...endpoint import Binary, Call, Endpoint, has
from ...errors import InvalidRequest
from ...wire.contents import Inputs, several
from ...wire.ids import response_id
from ...wire.quantized import EmbeddingType, written
from ...wire.requiring import require, require_cutting, require_one
from ...wire.vectors import InputType, is_normalizing, role
from .common import CompletionUsage, common_arguments
from .encoding import Encoded
from .messages import Messages, as_input

PATHS = ("/v1/embeddings", "/embeddings")

Task = Literal["retrieval.query", "retrieval.passage", "text-matching", "classification", "separation", "clustering"]
"""Jina's. Those of retrieval have the prompts that a model has, the others have none."""

_ROLES: dict[Task | None, Role] = {"retrieval.query": "query", "retrieval.passage": "document"}


class EmbeddingOptions(Encoded, kw_only=True):
    """What both kinds of requests may say. `use_activation` true makes embeddings of length 1; false is refused where
    the model's own last step does so."""

    dimensions: int | None = None
    input_type: InputType | None = None
    use_activation: bool | None = None


class EmbeddingsRequest(EmbeddingOptions, kw_only=True):
    """Texts are embedded as they are, unless `input_type` says which of the model's prompts they get.

    Jina's `task` says so too: "retrieval.query" and "retrieval.passage". Its `normalized` is `use_activation`, its
    `embedding_type` has fewer bits, too, and its `truncate` cuts long texts. `dimensions` cuts the embeddings of
    Matryoshka models. `add_special_tokens` false, `late_chunking` and `return_tokenized_input`
    are refused.
    """

    input: Inputs
    instruction: str | None = None
    add_special_tokens: bool | None = None
    task: Task | None = None
    normalized: bool | None = None
    embedding_type: EmbeddingType | None = None
    truncate: bool | None = None
    late_chunking: bool | None = None
    return_multivector: bool | None = None
    return_tokenized_input: bool | None = None


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


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse | Binary:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    require(request, add_special_tokens=True, late_chunking=False, return_tokenized_input=False)
    if request.return_multivector:
        raise InvalidRequest(
            "return_multivector is for late-interaction models: send the same to /pooling, and name one.",
            "body.return_multivector",
        )
    if request.embedding_type is not None and request.encoding_format in ("bytes", "bytes_only"):
        raise InvalidRequest(
            "embedding_type is for answers in JSON: leave out one of it and encoding_format.", "body.embedding_type"
        )
    require_cutting(request, "truncate")
    if request.truncate and request.truncate_prompt_tokens is None:
        request.truncate_prompt_tokens = -1
    require_one(request, "use_activation", "normalized")
    own = role(request.input_type)
    if None not in (request.task, own) and own != _ROLES.get(request.task):
        raise InvalidRequest("task and input_type contradict each other: leave one of them out.", "body.task")
    normalizing = is_normalizing(engine, use_activation=request.use_activation, normalized=request.normalized)
    arguments = common_arguments(request, call)
    embedded = engine.embed(
        several(request.input, engine, call),
        role=own or _ROLES.get(request.task),
        dimensions=request.dimensions,
        instruction=request.instruction,
        **arguments,
    )
    embeddings = normalized(embedded.embeddings) if normalizing else embedded.embeddings
    identifier, created = response_id("embd", request.request_id, call), int(time.time())
    usage = CompletionUsage.of(sum(embedded.tokens))
    rows = list(embeddings)
    data = written(embeddings, request.embedding_type) if request.embedding_type else map(request.encoded, rows)
    return request.binary(rows, identifier, created, model, usage) or EmbeddingsResponse(
        id=identifier,
        created=created,
        model=model,
        data=[Embedding(index=index, embedding=row) for index, row in enumerate(data)],  # type: ignore[arg-type]
        usage=usage,
    )


def embed_conversation(request: EmbeddedConversation, call: Call) -> EmbeddingsResponse | Binary:
    """Answer one request."""
    return embed(as_input(EmbeddingsRequest, request), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=PATHS,
        dialect="OpenAI and vLLM",
        summary="Embed the user's content of a conversation with a bi-encoder",
        request=EmbeddedConversation,
        example={"messages": [{"role": "user", "content": "Paris is in France."}]},
        response=EmbeddingsResponse | Binary,
        answer=embed_conversation,
        when=lambda fields, headers: has(fields, "messages"),
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=PATHS,
        dialect="OpenAI, vLLM and Jina",
        summary="Embed texts and images with a bi-encoder",
        request=EmbeddingsRequest,
        example={"input": ["Paris is in France.", "Cows eat grass."]},
        response=EmbeddingsResponse | Binary,
        answer=embed,
        told_by="any other body",
    ),
)
