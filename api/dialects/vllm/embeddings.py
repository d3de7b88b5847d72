"""Answers `/v1/embeddings` with a bi-encoder's embeddings of texts (OpenAI and vLLM)."""

import time

import msgspec

from engine import BI_ENCODER

from ...endpoint import Call, Endpoint
from ...wire.ids import response_id
from ...wire.texts import TextsOrTokens, several
from ...wire.vectors import EncodingFormat, InputType, encoded, role
from .common import Common, CompletionUsage, common_arguments


class EmbeddingsRequest(Common, kw_only=True):
    """Texts are embedded as they are, unless `input_type` says which of the model's prompts they get.

    `dimensions` cuts the embeddings of Matryoshka models.
    """

    input: TextsOrTokens
    encoding_format: EncodingFormat = "float"
    dimensions: int | None = None
    input_type: InputType | None = None
    instruction: str | None = None


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    object: str = "embedding"
    embedding: list[float] | str


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings in the order of the texts. `created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Embedding]
    usage: CompletionUsage


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    embedded = engine.embed(
        several(request.input, call),
        role=role(request.input_type),
        dimensions=request.dimensions,
        instruction=request.instruction,
        **common_arguments(request, call),
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


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/embeddings", "/embeddings"),
        dialect="OpenAI and vLLM",
        summary="Embed texts with a bi-encoder",
        request=EmbeddingsRequest,
        response=EmbeddingsResponse,
        answer=embed,
    ),
)
