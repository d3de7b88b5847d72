"""Answers `/rerank` with documents in the order of their scores for a query (vLLM and Jina)."""

import msgspec
from msgspec import UNSET, UnsetType

from engine import text_of

from ...endpoint import Call, Endpoint
from ...wire.ids import response_id
from ...wire.texts import Item, Items, content, contents
from .common import Scoring, scoring_arguments


class RerankRequest(Scoring, kw_only=True):
    """Documents to put in order for one query. `top_n` null or 0 returns all of them."""

    query: str | Item
    documents: Items
    top_n: int | None = None
    return_documents: bool | None = None


class Document(msgspec.Struct, frozen=True):
    text: str
    multi_modal: None = None


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
    architecture = engine.manifest.architecture
    media = call.media if engine.manifest.pictures is not None else None
    documents = contents(request.documents, architecture, media)
    call.count(len(documents), "documents")
    query = content(request.query, architecture, media)
    ranking = engine.rerank(query, documents, top_n=request.top_n, **scoring_arguments(request, call))
    with_documents = request.return_documents is not False
    return RerankResponse(
        id=response_id("score", request.request_id, call),
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[
            RerankResult(
                index=ranked.index,
                document=Document(text_of(documents[ranked.index])) if with_documents else UNSET,
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
