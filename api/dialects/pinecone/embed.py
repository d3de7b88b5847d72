"""Answers `/embed` with a bi-encoder's embeddings of texts (Pinecone)."""

from typing import Literal

import msgspec

from engine import BI_ENCODER

from ...endpoint import Call, Endpoint
from ...wire.answers import numbers
from ...wire.vectors import role
from ...words import Words
from ..voyage.common import Usage
from .common import DIALECT, TOLD_BY, from_pinecone_client


class EmbedInput(msgspec.Struct):
    text: str


class EmbedParameters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`input_type` says which of the model's prompts texts get. `truncate` "END" cuts long ones, "NONE" refuses them.

    `dimension` cuts the embeddings of Matryoshka models.
    """

    input_type: Literal["query", "passage"] | None = None
    truncate: Literal["END", "NONE"] = "END"
    dimension: int | None = None


class EmbedRequest(msgspec.Struct, kw_only=True):
    """Texts to embed."""

    inputs: list[EmbedInput]
    model: str | None = None
    parameters: EmbedParameters = msgspec.field(default_factory=EmbedParameters)


class Dense(msgspec.Struct, frozen=True, kw_only=True):
    values: list[float]
    vector_type: str = "dense"


class EmbedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings in the order of the inputs."""

    model: str
    vector_type: str = "dense"
    data: list[Dense]
    usage: Usage


def embed(request: EmbedRequest, call: Call) -> EmbedResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    call.count(len(request.inputs), "inputs")
    parameters = request.parameters
    embedded = engine.embed(
        [own.text for own in request.inputs],
        role=role(parameters.input_type),
        dimensions=parameters.dimension,
        truncate_prompt_tokens=-1 if parameters.truncate == "END" else None,
        job=call.job,
    )
    return EmbedResponse(
        model=model,
        data=[Dense(values=numbers(row)) for row in embedded.embeddings],
        usage=Usage(sum(embedded.tokens)),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/embed",),
        dialect=DIALECT,
        summary="Embed texts with a bi-encoder",
        request=EmbedRequest,
        example={"inputs": [{"text": "Paris is in France."}], "parameters": {"input_type": "passage"}},
        response=EmbedResponse,
        answer=embed,
        words=Words({"dimensions": "parameters.dimension"}, 'parameters.truncate to "END"'),
        when=from_pinecone_client,
        told_by=TOLD_BY,
    ),
)
