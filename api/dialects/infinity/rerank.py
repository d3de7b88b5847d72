"""Answers `/rerank` with documents in the order of their scores for a query (infinity)."""

import time
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from ...endpoint import Call, Endpoint, has
from ...wire.ids import response_id
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ..tei.common import as_asked, chunks_as_asked
from ..vllm.rerank import Usage
from .common import DIALECT, model_of, names_none


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to put in order for one query; `top_n` null or 0 returns all of them.

    Scores are sigmoids of a cross-encoder's logits, and with `raw_scores` the logits. Long texts are cut.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    documents: list[str]
    model: str | None = None
    top_n: Annotated[int, Meta(ge=0)] | None = None
    return_documents: bool = False
    raw_scores: bool = False


class Ranked(ChunksResult, frozen=True):
    """`document` is null unless it was asked for."""

    relevance_score: float
    index: int
    document: str | None


class RerankResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Results by falling score. `created` is in seconds since 1970."""

    object: str = "rerank"
    results: list[Ranked]
    model: str
    usage: Usage
    id: str
    created: int


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    model, engine = call.engine(model_of(request.model))
    call.count(len(request.documents), "documents")
    long = long_document_arguments(request, call, habit="truncate")
    ranking = engine.rerank(
        request.query, request.documents, top_n=request.top_n, use_activation=False, job=call.job, **long
    )
    scores = as_asked(np.array([own.score for own in ranking.results], np.float32), request.raw_scores, engine)
    return RerankResponse(
        results=[
            Ranked(
                score,
                own.index,
                request.documents[own.index] if request.return_documents else None,
                **chunks_as_asked(told_chunks(own.chunks, request), request.raw_scores, engine),
            )
            for own, score in zip(ranking.results, scores, strict=True)
        ],
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        id=response_id("infinity", None, call),
        created=int(time.time()),
    )


_RERANK = Endpoint(
    method="POST",
    paths=("/infinity/rerank",),
    dialect=DIALECT,
    summary="Put documents in the order of their scores or logits for a query",
    request=RerankRequest,
    example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."], "raw_scores": True},
    response=RerankResponse,
    answer=rerank,
)

ENDPOINTS = (
    replace(
        _RERANK,
        paths=("/rerank", "/v1/rerank"),
        when=lambda fields, headers: has(fields, "documents") and (has(fields, "raw_scores") or names_none(fields)),
        told_by="a body with `documents` and `raw_scores`, or with the model `default/not-specified`",
    ),
    _RERANK,
)
