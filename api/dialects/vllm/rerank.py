"""Answers `/rerank` with documents in the order of their scores for a query (vLLM and Jina)."""

from typing import Self

import msgspec
from msgspec import UNSET, UnsetType

from ...endpoint import Call, Endpoint
from ...wire.contents import Item, Items, Part, listed, read
from ...wire.ids import response_id
from .common import Scoring, scoring_arguments


class RerankRequest(Scoring, kw_only=True):
    """Documents to put in order for one query. `top_n` null or 0 returns all of them."""

    query: str | Item
    documents: Items
    top_n: int | None = None
    return_documents: bool | None = None


class Document(msgspec.Struct, frozen=True):
    """A document as it was given: its text, or the parts of one with images. `image` is there where it was given."""

    text: str | None
    multi_modal: list[Part] | None = None
    image: str | UnsetType = UNSET

    @classmethod
    def of(cls, item: str | Item) -> Self:
        if isinstance(item, str):
            return cls(item)
        if item.image is not None:
            return cls(item.text, image=item.image)
        return cls(None, item.content) if item.urls else cls(item.own_text)


class RerankResult(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    document: Document | UnsetType = UNSET
    relevance_score: float


class Usage(msgspec.Struct, frozen=True):
    """Tokens of all inputs, remembered ones too."""

    prompt_tokens: int
    total_tokens: int


class RerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score."""

    id: str
    model: str
    usage: Usage
    results: list[RerankResult]


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    documents = listed(request.documents)
    call.count(len(documents), "documents")
    arguments = scoring_arguments(request, call)
    query, *contents = read([request.query, *documents], engine, call)
    ranking = engine.rerank(query, contents, top_n=request.top_n, **arguments)
    with_documents = request.return_documents is not False
    return RerankResponse(
        id=response_id("score", request.request_id, call),
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[
            RerankResult(
                index=ranked.index,
                document=Document.of(documents[ranked.index]) if with_documents else UNSET,
                relevance_score=ranked.score,
            )
            for ranked in ranking.results
        ],
    )


RERANK = Endpoint(
    method="POST",
    paths=("/rerank", "/v1/rerank", "/v2/rerank"),
    dialect="vLLM and Jina",
    summary="Put documents in the order of their scores for a query",
    request=RerankRequest,
    response=RerankResponse,
    answer=rerank,
)

ENDPOINTS = (RERANK,)
