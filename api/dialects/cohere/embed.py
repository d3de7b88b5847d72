"""Answers `/v1/embed` and `/v2/embed` with a bi-encoder's embeddings of texts (Cohere)."""

from typing import Any, Literal

import msgspec

from engine import BI_ENCODER, Engine, Role, text_of

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest, RequestError, TextOnlyModel
from ...wire.ids import response_id
from ...wire.long_inputs import advise
from ...wire.texts import Item, content
from .common import BilledUnits, Meta, from_cohere_client
from .quantized import EmbeddingType, Written, written

InputType = Literal["search_query", "search_document", "classification", "clustering"]

_ROLES: dict[InputType | None, Role] = {"search_query": "query", "search_document": "document"}


class EmbedRequest(msgspec.Struct, kw_only=True):
    """`texts`, or `inputs` whose content is text, to embed.

    `input_type` says which of the model's prompts they get: a search's two, no other. `truncate` says which end of
    long texts is discarded, those of more than `max_tokens` tokens or than the model takes; "NONE" refuses them.
    `output_dimension` cuts the embeddings of Matryoshka models. `priority`: the lower goes first.
    """

    model: str | None = None
    texts: list[str] | None = None
    inputs: list[Item] | None = None
    images: list[Any] | None = None
    input_type: InputType | None = None
    embedding_types: list[EmbeddingType] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    max_tokens: int | None = None
    output_dimension: int | None = None
    priority: int | None = None


class FloatsResponse(msgspec.Struct, frozen=True, kw_only=True, tag_field="response_type", tag="embeddings_floats"):
    """Embeddings in the order of the texts."""

    id: str
    embeddings: Written
    texts: list[str]
    meta: Meta


class ByTypeResponse(msgspec.Struct, frozen=True, kw_only=True, tag_field="response_type", tag="embeddings_by_type"):
    """Embeddings in the order of the texts, for each type that was asked for."""

    id: str
    embeddings: dict[EmbeddingType, Written]
    texts: list[str]
    meta: Meta


def embed_floats(request: EmbedRequest, call: Call) -> FloatsResponse | ByTypeResponse:
    """Answer one request of version 1, which may leave `embedding_types` out."""
    response = embed(request, call)
    if request.embedding_types:
        return msgspec.structs.replace(response, meta=Meta.of("1", response.meta.billed_units))
    return FloatsResponse(
        id=response.id,
        embeddings=response.embeddings["float"],
        texts=response.texts,
        meta=Meta.of("1", response.meta.billed_units),
    )


@advise('set truncate to "END"')
def embed(request: EmbedRequest, call: Call) -> ByTypeResponse:
    """Answer one request of version 2."""
    _, engine = call.engine(request.model, BI_ENCODER)
    if request.input_type is not None and not from_cohere_client(call.headers):
        _require_prompts(engine, request.input_type)
    texts = _texts(request, engine)
    call.count(len(texts), "texts")
    call.job.priority = request.priority or 0
    longest = engine.manifest.max_length
    embedded = engine.embed(
        texts,
        role=_ROLES.get(request.input_type),
        truncate_prompt_tokens=None if request.truncate == "NONE" else min(request.max_tokens or longest, longest),
        truncation_side="left" if request.truncate == "START" else "right",
        dimensions=request.output_dimension,
        job=call.job,
    )
    types = request.embedding_types or ["float"]
    return ByTypeResponse(
        id=response_id("embed", None, call),
        embeddings={embedding_type: written(embedded.embeddings, embedding_type) for embedding_type in types},
        texts=texts,
        meta=Meta.of("2", BilledUnits(input_tokens=sum(embedded.tokens))),
    )


def _texts(request: EmbedRequest, engine: Engine) -> list[str]:
    """Raises `TextOnlyModel` for images, `InvalidRequest` where there is neither text nor input."""
    architecture = engine.manifest.architecture
    if request.images:
        raise TextOnlyModel(architecture)
    if request.texts is not None:
        return request.texts
    if request.inputs is None:
        raise InvalidRequest("texts is missing: give it, or inputs.", "body.texts")
    return [text_of(content(item, architecture)) for item in request.inputs]


def _require_prompts(engine: Engine, input_type: InputType) -> None:
    """Refuse an `input_type` that would change nothing, as vLLM does; Cohere's own clients cannot leave it out."""
    if not any(layout and layout.prompt for layout in (engine.manifest.query, engine.manifest.document)):
        raise RequestError(
            f"Unsupported input_type '{input_type}'. This model does not define any input_type task instructions."
        )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/embed",),
        dialect="Cohere",
        summary="Embed texts with a bi-encoder",
        request=EmbedRequest,
        response=FloatsResponse | ByTypeResponse,
        answer=embed_floats,
    ),
    Endpoint(
        method="POST",
        paths=("/v2/embed",),
        dialect="Cohere",
        summary="Embed texts with a bi-encoder, in one or several types",
        request=EmbedRequest,
        response=ByTypeResponse,
        answer=embed,
    ),
)
