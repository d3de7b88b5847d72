"""Answers `/v1/embed` and `/v2/embed` with a bi-encoder's embeddings of texts and images (Cohere)."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from engine import BI_ENCODER, Role

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest, RequestError
from ...wire.contents import Item, images_of, read
from ...wire.ids import response_id
from ...wire.quantized import EmbeddingType, Written, written
from ...words import Words
from .common import BilledUnits, Meta
from .contents import ImageInfo, Input

_WORDS = Words({"truncate_prompt_tokens": "max_tokens", "dimensions": "output_dimension"}, 'truncate to "END"')

_INPUT_TYPES = ("search_query", "search_document", "classification", "clustering", "image")

_ROLES: dict[str | None, Role] = {"search_query": "query", "search_document": "document"}


class EmbedRequest(msgspec.Struct, kw_only=True):
    """`texts`, `images` or `inputs` to embed: one of the three. An image is a data URL, or one the server may fetch.

    `input_type` says which of the model's prompts texts get, if it has some: a search's two, no other. `truncate` says
    which end of long texts is discarded, those of more than `max_tokens` tokens or than the model takes; "NONE" refuses
    them. `output_dimension` cuts the embeddings of Matryoshka models. `priority`: the lower goes first.
    """

    model: str | None = None
    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[Input] | None = None
    input_type: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(_INPUT_TYPES)})] | None = None
    embedding_types: list[EmbeddingType] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    output_dimension: int | None = None
    priority: int | None = None


class FloatsResponse(msgspec.Struct, frozen=True, kw_only=True, tag_field="response_type", tag="embeddings_floats"):
    """Embeddings in the order of the inputs."""

    id: str
    embeddings: Written
    texts: list[str]
    images: list[ImageInfo] | UnsetType = UNSET
    meta: Meta


class ByTypeResponse(msgspec.Struct, frozen=True, kw_only=True, tag_field="response_type", tag="embeddings_by_type"):
    """Embeddings in the order of the inputs, for each type that was asked for.

    `texts` are those of the inputs, none where the request has `images`; `images` are there where an input has some.
    """

    id: str
    embeddings: dict[EmbeddingType, Written]
    texts: list[str]
    images: list[ImageInfo] | UnsetType = UNSET
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
        images=response.images,
        meta=Meta.of("1", response.meta.billed_units),
    )


def embed(request: EmbedRequest, call: Call) -> ByTypeResponse:
    """Answer one request of version 2."""
    _, engine = call.engine(request.model, BI_ENCODER)
    _check_input_type(request.input_type)
    name, items = _inputs(request)
    call.count(len(items), name)
    contents = read(items, engine, call)
    images = [ImageInfo.of(image) for image in images_of(contents)]
    call.job.priority = request.priority or 0
    longest = engine.manifest.max_length
    embedded = engine.embed(
        contents,
        role=_ROLES.get(request.input_type),
        truncate_prompt_tokens=None if request.truncate == "NONE" else min(request.max_tokens or longest, longest),
        truncation_side="left" if request.truncate == "START" else "right",
        dimensions=request.output_dimension,
        job=call.job,
    )
    if request.truncate == "NONE" and request.max_tokens is not None:
        _require_at_most(request.max_tokens, embedded.tokens)
    types = request.embedding_types or ["float"]
    return ByTypeResponse(
        id=response_id("embed", None, call),
        embeddings={embedding_type: written(embedded.embeddings, embedding_type) for embedding_type in types},
        texts=[] if name == "images" else [item if isinstance(item, str) else item.own_text for item in items],
        images=images or UNSET,
        meta=Meta.of("2", _units(len(images), sum(embedded.tokens))),
    )


def _inputs(request: EmbedRequest) -> tuple[str, list[str | Item]]:
    """What to embed, and the name of its field. Raises `InvalidRequest` where that is not one alone."""
    images = None if request.images is None else [Item(image=url) for url in request.images]
    fields: dict[str, Sequence[str | Item] | None] = {
        "texts": request.texts,
        "images": images,
        "inputs": request.inputs,
    }
    given = {name: list(items) for name, items in fields.items() if items is not None}
    if not given:
        raise InvalidRequest("texts is missing: give it, or images or inputs.", "body.texts")
    if len(given) > 1:
        raise InvalidRequest(f"{' and '.join(given)} are given: send one of them.", f"body.{list(given)[-1]}")
    return given.popitem()


def _units(images: int, tokens: int) -> BilledUnits:
    return (
        BilledUnits(images=images, input_tokens=tokens) if images else BilledUnits(input_tokens=tokens, image_tokens=0)
    )


def _require_at_most(limit: int, tokens: Sequence[int]) -> None:
    """Raises `InvalidRequest` where an input has more tokens than the request wants."""
    if max(tokens) > limit:
        raise InvalidRequest(
            f'An input has {max(tokens):,} tokens, more than max_tokens: shorten it, or set truncate to "END".',
            "body.max_tokens",
        )


def _check_input_type(input_type: str | None) -> None:
    """Raises `RequestError` for one that Cohere does not have, in vLLM's words."""
    if input_type not in (None, *_INPUT_TYPES):
        raise RequestError(f"Unsupported input_type '{input_type}'. Supported values: {', '.join(_INPUT_TYPES)}")


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/embed",),
        dialect="Cohere",
        summary="Embed texts and images with a bi-encoder",
        request=EmbedRequest,
        example={"texts": ["Paris is in France.", "Cows eat grass."], "input_type": "classification"},
        response=FloatsResponse | ByTypeResponse,
        answer=embed_floats,
        words=_WORDS,
    ),
    Endpoint(
        method="POST",
        paths=("/v2/embed",),
        dialect="Cohere",
        summary="Embed texts and images with a bi-encoder, in one or several types",
        request=EmbedRequest,
        example={"texts": ["Paris is in France.", "Cows eat grass."], "input_type": "classification"},
        response=ByTypeResponse,
        answer=embed,
        words=_WORDS,
    ),
)
