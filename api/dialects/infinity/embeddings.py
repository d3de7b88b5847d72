"""Answers `/embeddings` with a bi-encoder's embeddings of the modality that the request names (infinity)."""

from dataclasses import replace
from typing import Literal

from ...endpoint import Binary, Call, Endpoint, has
from ...wire.contents import Inputs, Item
from ..vllm import embeddings as vllm
from ..vllm.embeddings import EmbeddingOptions, EmbeddingsResponse
from .common import DIALECT, model_of, names_none


class EmbeddingsRequest(EmbeddingOptions, kw_only=True):
    """`input` is a text or several, or with `modality` "image" as many URLs or images in base64.

    Long texts are cut, unless `truncate_prompt_tokens` says to how many tokens. `dimensions` 0 keeps all of them.
    """

    input: str | list[str]
    modality: Literal["text", "image"] = "text"


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse | Binary:
    """Answer one request."""
    inputs = [request.input] if isinstance(request.input, str) else request.input
    items: Inputs = [Item(image=url) for url in inputs] if request.modality == "image" else [*inputs]
    options = {name: getattr(request, name) for name in EmbeddingOptions.__struct_fields__} | {
        "model": model_of(request.model),
        "dimensions": request.dimensions or None,
        "truncate_prompt_tokens": -1 if request.truncate_prompt_tokens is None else request.truncate_prompt_tokens,
    }
    return vllm.embed(vllm.EmbeddingsRequest(input=items, **options), call)


_EMBEDDINGS = Endpoint(
    method="POST",
    paths=("/infinity/embeddings",),
    dialect=DIALECT,
    summary="Embed texts or images with a bi-encoder",
    request=EmbeddingsRequest,
    example={"input": ["Paris is in France.", "Cows eat grass."], "modality": "text"},
    response=EmbeddingsResponse | Binary,
    answer=embed,
)

ENDPOINTS = (
    replace(
        _EMBEDDINGS,
        paths=vllm.PATHS,
        when=lambda fields, headers: has(fields, "modality") or names_none(fields),
        told_by="a body with `modality`, or with the model `default/not-specified`",
    ),
    _EMBEDDINGS,
)
