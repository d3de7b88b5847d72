"""Answers `/embed` and `/embed_all` with embeddings of texts, and of their tokens (TEI)."""

from engine import BI_ENCODER, LATE_INTERACTION, normalized

from ...endpoint import Call, Endpoint
from ...wire.answers import numbers
from ...wire.contents import TextsOrTokens, several
from ...wire.vectors import role
from .common import DIALECT, WORDS, Common, PromptName, truncation_arguments

Embeddings = list[list[float]]
"""`[texts, dim]`"""
TokenEmbeddings = list[list[list[float]]]
"""`[texts, tokens, dim]`"""


class EmbedAllRequest(Common, kw_only=True):
    """Texts are documents, unless `prompt_name` says otherwise."""

    inputs: TextsOrTokens
    prompt_name: PromptName | None = None


class EmbedRequest(Common, kw_only=True):
    """Texts are embedded without a prompt, unless `prompt_name` names one.

    `dimensions` cuts the embeddings of Matryoshka models. `normalize` false gives them as the model does, whose last
    step may make them of length 1.
    """

    inputs: TextsOrTokens
    prompt_name: PromptName | None = None
    normalize: bool = True
    dimensions: int | None = None


def embed(request: EmbedRequest, call: Call) -> Embeddings:
    """Answer one request, with embeddings in the order of the texts."""
    _, engine = call.engine(request.model, BI_ENCODER)
    embedded = engine.embed(
        several(request.inputs, engine, call, "inputs"),
        role=role(request.prompt_name),
        dimensions=request.dimensions,
        **truncation_arguments(request, call),
    ).embeddings
    in_place = engine.manifest.normalized or not request.normalize
    embeddings: Embeddings = numbers(embedded if in_place else normalized(embedded))
    return embeddings


def embed_all(request: EmbedAllRequest, call: Call) -> TokenEmbeddings:
    """Answer one request, with those tokens of each text that are scored."""
    _, engine = call.engine(request.model, LATE_INTERACTION)
    embedded = engine.embed_tokens(
        several(request.inputs, engine, call, "inputs"),
        role=role(request.prompt_name) or "document",
        **truncation_arguments(request, call),
    )
    return [numbers(rows) for rows in embedded.embeddings]


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/embed",),
        dialect=DIALECT,
        summary="Embed texts with a bi-encoder",
        request=EmbedRequest,
        example={"inputs": ["Paris is in France.", "Cows eat grass."]},
        response=Embeddings,
        answer=embed,
        words=WORDS,
    ),
    Endpoint(
        method="POST",
        paths=("/embed_all",),
        dialect=DIALECT,
        summary="Embed each token of texts with a late-interaction model",
        request=EmbedAllRequest,
        example={"inputs": ["Paris is in France.", "Cows eat grass."]},
        response=TokenEmbeddings,
        answer=embed_all,
        words=WORDS,
    ),
)
