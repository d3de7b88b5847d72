"""Answers `/rerank` with `document_ids`: documents of an index in the order of their scores for a query."""

from typing import Any

import msgspec

from ...endpoint import Call, Endpoint, has
from ...wire.contents import Item, read
from ...wire.ids import response_id
from ...wire.requiring import require
from ..vllm.common import Common, common_arguments
from ..vllm.rerank import Usage

DocumentId = str | int


class IndexedRerankRequest(Common, kw_only=True):
    """Documents of the model's index, by their ids, to put in order for one query. `top_n` null or 0 returns all.

    `documents` beside them are refused, and so is what would be asked of documents as texts: `max_tokens_per_doc`, and
    `return_documents` true.
    """

    query: str | Item
    document_ids: list[DocumentId]
    top_n: int | None = None
    max_tokens_per_query: int | None = None
    instruction: str | None = None
    documents: Any | None = None
    max_tokens_per_doc: int | None = None
    return_documents: bool | None = None


class IndexedResult(msgspec.Struct, frozen=True):
    """`index` is the id's place in the request."""

    index: int
    id: DocumentId
    relevance_score: float


class IndexedRerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score. `usage` counts the query alone, since the documents were embedded before."""

    id: str
    model: str
    usage: Usage
    results: list[IndexedResult]


def rerank(request: IndexedRerankRequest, call: Call) -> IndexedRerankResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    call.count(len(request.document_ids), "document_ids")
    index = call.index(model)
    require(request, documents=None, max_tokens_per_doc=None, return_documents=False)
    arguments = common_arguments(request, call)
    (query,) = read([request.query], engine, call)
    ranking = index.rerank(
        query,
        [str(document_id) for document_id in request.document_ids],
        top_n=request.top_n,
        max_tokens_per_query=request.max_tokens_per_query,
        instruction=request.instruction,
        **arguments,
    )
    return IndexedRerankResponse(
        id=response_id("score", request.request_id, call),
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[
            IndexedResult(ranked.index, request.document_ids[ranked.index], ranked.score) for ranked in ranking.results
        ],
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/rerank", "/v1/rerank", "/v2/rerank"),
        dialect="ScoreRT",
        summary="Put documents of an index in the order of their scores for a query",
        request=IndexedRerankRequest,
        example={"query": "capital of France", "document_ids": ["1", "2"]},
        response=IndexedRerankResponse,
        answer=rerank,
        when=lambda fields, headers: has(fields, "document_ids"),
        told_by="a body with `document_ids`",
    ),
)
