"""Answers `/v1/embeddings` with a bi-encoder's embeddings of texts, in the number type asked for (Voyage)."""

from typing import Literal

import msgspec

from engine import BI_ENCODER, Floats

from ...endpoint import Call, Endpoint, has
from ...wire.answers import numbers
from ...wire.quantized import NumberType, quantized
from ...wire.vectors import EncodingFormat, bytes_in_base64
from ...words import Words
from ..vllm.embeddings import PATHS
from .common import Usage, from_voyage

WORDS = Words({"dimensions": "output_dimension"}, "truncation to true")

_OWN_FIELDS = ("truncation", "output_dimension", "output_dtype")


class Options(msgspec.Struct, kw_only=True):
    """What requests for embeddings have in common.

    `input_type` says which of the model's prompts texts get. `truncation` cuts long texts, which are refused else.
    `output_dimension` cuts the embeddings of Matryoshka models. `output_dtype` "int8" and "uint8" have a step of 2/255
    over -1 to 1, and "binary" and "ubinary" a bit for each number. `encoding_format` "base64" writes the little-endian
    bytes of an embedding's numbers.
    """

    model: str | None = None
    input_type: Literal["query", "document"] | None = None
    truncation: bool = True
    output_dimension: int | None = None
    output_dtype: NumberType = "float"
    encoding_format: EncodingFormat = "float"


class EmbeddingsRequest(Options, kw_only=True):
    """A text or several."""

    input: str | list[str]


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """Integers have no fraction."""

    object: str = "embedding"
    embedding: list[float] | str
    index: int


class EmbeddingsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings in the order of the inputs."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: Usage


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    texts = [request.input] if isinstance(request.input, str) else request.input
    call.count(len(texts), "input")
    embedded = engine.embed(
        texts,
        role=request.input_type,
        dimensions=request.output_dimension,
        truncate_prompt_tokens=-1 if request.truncation else None,
        job=call.job,
    )
    return EmbeddingsResponse(
        data=written(embedded.embeddings, request.output_dtype, request.encoding_format),
        model=model,
        usage=Usage(sum(embedded.tokens)),
    )


def written(embeddings: Floats, output_dtype: NumberType, encoding_format: EncodingFormat) -> list[Embedding]:
    """Embeddings `[inputs, dim]` in the type and the writing that a request asks for."""
    rows = quantized(embeddings, output_dtype)
    return [
        Embedding(embedding=bytes_in_base64(row) if encoding_format == "base64" else numbers(row), index=index)
        for index, row in enumerate(rows)
    ]


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=PATHS,
        dialect="Voyage",
        summary="Embed texts with a bi-encoder, in one of several number types",
        request=EmbeddingsRequest,
        example={"input": ["Paris is in France.", "Cows eat grass."], "truncation": True, "output_dtype": "int8"},
        response=EmbeddingsResponse,
        answer=embed,
        words=WORDS,
        when=lambda fields, headers: has(fields, *_OWN_FIELDS) or from_voyage(fields, headers),
        told_by=(
            "a body with `truncation`, `output_dimension` or `output_dtype`, a model of Voyage's (`voyage-3.5`), "
            "or its clients' headers"
        ),
    ),
)
