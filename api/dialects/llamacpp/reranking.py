"""Answers `/reranking` with documents in the order of their scores for a query (llama.cpp)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ...wire.requiring import require_one
from ..vllm.rerank import Usage


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to put in order for one query; `top_n` null or 0 returns all of them.

    With `texts` in place of `documents` the answer is a bare list, and `return_text` asks for the texts. Scores are
    a cross-encoder's logits, and a prompted one's probabilities. Long texts are refused.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    documents: list[str] | UnsetType = UNSET
    texts: list[str] | UnsetType = UNSET
    model: str | None = None
    top_n: Annotated[int, Meta(ge=0)] | None = None
    return_text: bool = False


class Ranked(ChunksResult, frozen=True):
    index: int
    relevance_score: float


class RerankResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Results by falling score."""

    model: str
    object: str = "list"
    usage: Usage
    results: list[Ranked]


class Rank(ChunksResult, frozen=True, kw_only=True):
    index: int
    text: str | UnsetType = UNSET
    score: float


def rerank(request: RerankRequest, call: Call) -> RerankResponse | list[Rank]:
    """Answer one request."""
    model, engine = call.engine(request.model)
    require_one(request, "documents", "texts")
    documents = request.documents if request.texts is UNSET else request.texts
    if documents is UNSET:
        raise InvalidRequest("documents is missing: add it, or texts.", "body.documents")
    call.count(len(documents), "documents" if request.texts is UNSET else "texts")
    long = long_document_arguments(request, call, habit="refuse")
    ranking = engine.rerank(
        request.query,
        documents,
        top_n=request.top_n,
        use_activation=engine.manifest.template is not None,
        job=call.job,
        **long,
    )
    if request.texts is not UNSET:
        return [
            Rank(
                index=own.index,
                text=documents[own.index] if request.return_text else UNSET,
                score=own.score,
                **told_chunks(own.chunks, request),
            )
            for own in ranking.results
        ]
    return RerankResponse(
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[Ranked(own.index, own.score, **told_chunks(own.chunks, request)) for own in ranking.results],
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/reranking", "/v1/reranking"),
        dialect="llama.cpp",
        summary="Put documents in the order of their logits for a query",
        request=RerankRequest,
        example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."]},
        response=RerankResponse | list[Rank],
        answer=rerank,
        told_by="any other body",
    ),
)
