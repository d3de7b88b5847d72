"""Answers `/token_similarity` with the similarity of each query token and document token."""

import msgspec

from engine import LATE_INTERACTION, Box

from ...endpoint import Call, Endpoint
from ...wire.answers import numbers
from ...wire.contents import Item, read
from ..vllm.common import Common, common_arguments


class TokenSimilarityRequest(Common, kw_only=True):
    """A query and one document, for a late-interaction model."""

    query: str | Item
    document: str | Item


class TokenBox(msgspec.Struct, frozen=True):
    """Where a token lies: on which of its content's images, from 0, and its left, top, right and bottom there.

    They are in pixels of the image as it was sent, turned upright.
    """

    image: int
    box: tuple[float, float, float, float]


class TokenSimilarityResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`similarity` has a row for each query token, a column for each document token; `score` adds the rows' maxima.

    Tokens of text have no box.
    """

    model: str
    score: float
    query_tokens: list[str]
    document_tokens: list[str]
    similarity: list[list[float]]
    query_boxes: list[TokenBox | None]
    document_boxes: list[TokenBox | None]


def compare(request: TokenSimilarityRequest, call: Call) -> TokenSimilarityResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, LATE_INTERACTION)
    call.count(1, "document")
    arguments = common_arguments(request, call)
    query, document = read([request.query, request.document], engine, call)
    compared = engine.compare_tokens(query, document, **arguments)
    return TokenSimilarityResponse(
        model=model,
        score=compared.score,
        query_tokens=compared.query_tokens,
        document_tokens=compared.document_tokens,
        similarity=numbers(compared.similarity),
        query_boxes=list(map(_token_box, compared.query_boxes)),
        document_boxes=list(map(_token_box, compared.document_boxes)),
    )


def _token_box(box: Box | None) -> TokenBox | None:
    return None if box is None else TokenBox(box.image, (box.left, box.top, box.right, box.bottom))


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/token_similarity",),
        dialect="ScoreRT",
        summary="Which query token matched which document token",
        request=TokenSimilarityRequest,
        example={"query": "capital of France", "document": "Paris is in France."},
        response=TokenSimilarityResponse,
        answer=compare,
    ),
)
