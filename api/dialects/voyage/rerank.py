"""Answers `/v1/rerank` with documents in the order of their scores for a query (Voyage)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ...words import Words
from .common import Usage, from_voyage


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to put in order for one query; `top_k` null or 0 returns all of them.

    Long texts are cut, and with `truncation` false they are refused.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    documents: list[str]
    model: str | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    return_documents: bool = False
    truncation: bool | None = None


class Reranking(ChunksResult, frozen=True, kw_only=True):
    relevance_score: float
    index: int
    document: str | UnsetType = UNSET


class RerankResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Results by falling score."""

    object: str = "list"
    data: list[Reranking]
    model: str
    usage: Usage


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    call.count(len(request.documents), "documents")
    long = long_document_arguments(request, call, habit="truncate", cuts=request.truncation, field="truncation")
    ranking = engine.rerank(request.query, request.documents, top_n=request.top_k, job=call.job, **long)
    return RerankResponse(
        data=[
            Reranking(
                relevance_score=ranked.score,
                index=ranked.index,
                document=request.documents[ranked.index] if request.return_documents else UNSET,
                **told_chunks(ranked.chunks, request),
            )
            for ranked in ranking.results
        ],
        model=model,
        usage=Usage(ranking.tokens),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/rerank", "/rerank"),
        dialect="Voyage",
        summary="Put documents in the order of their scores for a query",
        request=RerankRequest,
        example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."], "top_k": 1},
        response=RerankResponse,
        answer=rerank,
        words=Words({"top_n": "top_k"}, "truncation to true"),
        # Jina has a `truncation`, too; Voyage's own client sends a `top_k` that may be null.
        when=lambda fields, headers: "top_k" in fields or from_voyage(fields, headers),
        told_by="a body with `top_k`, a model of Voyage's (`rerank-2.5`), or its clients' headers",
    ),
)
