"""Answers `/embeddings` with a bi-encoder's embeddings of the modality that the request names (infinity)."""

from typing import Literal

from ...endpoint import Binary, Call, Endpoint
from ...wire.contents import Inputs, Item
from ..vllm import embeddings as vllm
from ..vllm.embeddings import EmbeddingOptions, EmbeddingsResponse


class EmbeddingsRequest(EmbeddingOptions, kw_only=True):
    """`input` is a text or several, or with `modality` "image" as many URLs or images in base64."""

    input: str | list[str]
    modality: Literal["text", "image"]


def embed(request: EmbeddingsRequest, call: Call) -> EmbeddingsResponse | Binary:
    """Answer one request."""
    inputs = [request.input] if isinstance(request.input, str) else request.input
    items: Inputs = [Item(image=url) for url in inputs] if request.modality == "image" else [*inputs]
    options = {name: getattr(request, name) for name in EmbeddingOptions.__struct_fields__}
    return vllm.embed(vllm.EmbeddingsRequest(input=items, **options), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=vllm.PATHS,
        dialect="infinity",
        summary="Embed texts or images with a bi-encoder",
        request=EmbeddingsRequest,
        response=EmbeddingsResponse | Binary,
        answer=embed,
        when=lambda fields, headers: "modality" in fields,
        told_by="a body with `modality`",
    ),
)
