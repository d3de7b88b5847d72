"""Answers `/token_similarity` with the similarity of each query token and document token."""

import msgspec

from ...endpoint import Call, Endpoint
from ...wire.texts import Item, content
from ..vllm.common import Common, common_arguments


class TokenSimilarityRequest(Common, kw_only=True):
    """A query and one document, for a late-interaction model."""

    query: str | Item
    document: str | Item


class TokenSimilarityResponse(msgspec.Struct, frozen=True):
    """`similarity` has a row for each query token, a column for each document token; `score` adds the rows' maxima."""

    model: str
    score: float
    query_tokens: list[str]
    document_tokens: list[str]
    similarity: list[list[float]]


def compare(request: TokenSimilarityRequest, call: Call) -> TokenSimilarityResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    call.count(1, "document")
    media = call.media if engine.manifest.pictures is not None else None
    items = (request.query, request.document)
    query, document = (content(item, engine.manifest.architecture, media) for item in items)
    compared = engine.compare_tokens(query, document, **common_arguments(request, call))
    return TokenSimilarityResponse(
        model=model,
        score=compared.score,
        query_tokens=compared.query_tokens,
        document_tokens=compared.document_tokens,
        similarity=compared.similarity.tolist(),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/token_similarity",),
        dialect="ScoreRT",
        summary="Which query token matched which document token",
        request=TokenSimilarityRequest,
        response=TokenSimilarityResponse,
        answer=compare,
    ),
)
