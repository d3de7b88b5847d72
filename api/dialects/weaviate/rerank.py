"""Answers `/rerank` with the score of each document for a query (Weaviate's reranker-transformers)."""

from ...endpoint import Call, Endpoint, has
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from .common import DIALECT


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to score for one query, or without them a `property`, which is one. Long texts are cut.

    Weaviate knows no `model`: it is the first that is served. `long_documents`, `max_chunks_per_doc`, `chunk_overlap`
    and `return_chunks` are ScoreRT's own.
    """

    query: str
    property: str | None = None
    documents: list[str] | None = None


class DocumentScore(ChunksResult, frozen=True):
    document: str
    score: float


class RerankResponse(ChunksResult, frozen=True, kw_only=True):
    """Scores in the order of the documents; `score` is the property's."""

    query: str
    scores: list[DocumentScore] | None = None
    property: str | None = None
    score: float | None = None


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    _, engine = call.engine(None)
    documents = [request.property or ""] if request.documents is None else request.documents
    call.count(len(documents), "documents")
    long = long_document_arguments(request, call, habit="truncate")
    scored = engine.score(request.query, documents, job=call.job, **long)
    scores = scored.scores.tolist()
    chunks = [told_chunks(scored.chunks_of(index), request) for index in range(len(documents))]
    if request.documents is None:
        return RerankResponse(query=request.query, property=request.property, score=scores[0], **chunks[0])
    return RerankResponse(
        query=request.query,
        scores=[DocumentScore(*pair, **own) for *pair, own in zip(documents, scores, chunks, strict=True)],
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/rerank",),
        dialect=DIALECT,
        summary="Score documents for a query",
        request=RerankRequest,
        example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."], "property": ""},
        response=RerankResponse,
        answer=rerank,
        when=lambda fields, headers: has(fields, "property"),
        told_by="a body with `property`",
    ),
)
