"""Answers `/vectors` with a bi-encoder's embedding of a text (Weaviate's t2v-transformers)."""

from typing import Literal

import msgspec

from engine import BI_ENCODER, normalized

from ...endpoint import Call, Endpoint
from ...wire.answers import numbers
from ...wire.vectors import role
from ...words import Words
from .common import DIALECT


class VectorConfig(msgspec.Struct, kw_only=True):
    """`task_type` says which of the model's prompts the text gets. `dimensions` cuts embeddings of Matryoshka models.

    `pooling_strategy` changes nothing: the checkpoint says how its tokens are pooled.
    """

    pooling_strategy: str | None = None
    task_type: Literal["query", "passage"] | None = None
    dimensions: int | None = None


class VectorRequest(msgspec.Struct, kw_only=True):
    """A text to embed, cut where it is long. Weaviate knows no `model`: it is the first bi-encoder."""

    text: str
    config: VectorConfig = msgspec.field(default_factory=VectorConfig)


class VectorResponse(msgspec.Struct, frozen=True):
    """An embedding of length 1, `[dim]`."""

    text: str
    vector: list[float]
    dim: int


def vectorize(request: VectorRequest, call: Call) -> VectorResponse:
    """Answer one request."""
    _, engine = call.engine(None, BI_ENCODER)
    call.count(1, "text")
    embedded = engine.embed(
        request.text,
        role=role(request.config.task_type) or "document",
        dimensions=request.config.dimensions,
        truncate_prompt_tokens=-1,
        job=call.job,
    ).embeddings
    (vector,) = embedded if engine.manifest.normalized else normalized(embedded)
    return VectorResponse(request.text, numbers(vector), len(vector))


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/vectors",),
        dialect=DIALECT,
        summary="Embed a text with a bi-encoder",
        request=VectorRequest,
        example={"text": "Paris is in France."},
        response=VectorResponse,
        answer=vectorize,
        words=Words({"dimensions": "config.dimensions"}),
    ),
)
