"""Answers `/rerank` with texts in the order of their scores for a query (TEI)."""

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from ...endpoint import Call, Endpoint
from .common import DIALECT, Common, advise_truncate, as_asked, truncation_arguments


class RerankRequest(Common, kw_only=True):
    """Texts to put in order for one query. `raw_scores` asks for logits."""

    query: str
    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False


class Rank(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    text: str | UnsetType = UNSET
    score: float


@advise_truncate
def rerank(request: RerankRequest, call: Call) -> list[Rank]:
    """Answer one request: ranks by falling score."""
    _, engine = call.engine(request.model)
    call.count(len(request.texts), "texts")
    arguments = truncation_arguments(request, call)
    ranked = engine.rerank(request.query, request.texts, use_activation=False, **arguments).results
    scores = as_asked(np.array([rank.score for rank in ranked], np.float32), request.raw_scores, engine)
    return [
        Rank(index=rank.index, text=request.texts[rank.index] if request.return_text else UNSET, score=score)
        for rank, score in zip(ranked, scores, strict=True)
    ]


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/rerank", "/"),
        dialect=DIALECT,
        summary="Put texts in the order of their scores for a query",
        request=RerankRequest,
        response=list[Rank],
        answer=rerank,
        when=lambda fields, headers: "texts" in fields,
        told_by="a body with `texts`",
    ),
)
