"""Answers `/rerank` with texts in the order of their scores for a query (TEI)."""

from typing import Annotated

import numpy as np
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint, has
from ...wire.long_documents import ChunksResult, told_chunks
from .common import DIALECT, WORDS, Scoring, as_asked, chunks_as_asked, long_documents_of


class RerankRequest(Scoring, kw_only=True):
    """Texts to put in order for one query. `raw_scores` asks for logits.

    `top_n`, which clients of several APIs send to TEI's, too, is how many are answered; null or 0 are all.
    """

    query: str
    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False
    top_n: Annotated[int, Meta(ge=0)] | None = None


class Rank(ChunksResult, frozen=True, kw_only=True):
    index: int
    text: str | UnsetType = UNSET
    score: float


def rerank(request: RerankRequest, call: Call) -> list[Rank]:
    """Answer one request: ranks by falling score."""
    _, engine = call.engine(request.model)
    call.count(len(request.texts), "texts")
    ranked = engine.rerank(
        request.query,
        request.texts,
        top_n=request.top_n,
        use_activation=False,
        truncation_side=request.truncation_direction.lower(),
        job=call.job,
        **long_documents_of(request, call),
    ).results
    scores = as_asked(np.array([rank.score for rank in ranked], np.float32), request.raw_scores, engine)
    return [
        Rank(
            index=rank.index,
            text=request.texts[rank.index] if request.return_text else UNSET,
            score=score,
            **chunks_as_asked(told_chunks(rank.chunks, request), request.raw_scores, engine),
        )
        for rank, score in zip(ranked, scores, strict=True)
    ]


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/rerank", "/", "/invocations"),
        dialect=DIALECT,
        summary="Put texts in the order of their scores for a query",
        request=RerankRequest,
        example={
            "query": "capital of France",
            "texts": ["Paris is in France.", "Cows eat grass."],
            "return_text": True,
        },
        response=list[Rank],
        answer=rerank,
        words=WORDS,
        when=lambda fields, headers: has(fields, "texts"),
        told_by="a body with `texts`",
    ),
)
