"""Answers `/v1/reranking` with inputs in the order of their scores for a query (Mixedbread)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint, has
from ...errors import InvalidRequest
from ...wire.documents import Document, text_of_document
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ...words import Words
from ..vllm.rerank import Usage


class RerankRequest(ChunksRequest, kw_only=True):
    """Inputs to put in order for one query; `top_k` null or 0 returns all of them.

    An input that is an object is read as its "text", or as a line "name: value" for each of its `rank_fields`. Long
    inputs are cut. `rewrite_query` is refused: there is no model that would do it.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    input: list[Document]
    model: str | None = None
    rank_fields: list[str] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    return_input: bool = False
    rewrite_query: bool = False


class Ranked(ChunksResult, frozen=True, kw_only=True):
    """`input` is the one that was given, if that was asked for."""

    index: int
    score: float
    input: Document | UnsetType = UNSET
    object: str = "rank_result"


class RerankResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Results by falling score. `top_k` is how many there are."""

    usage: Usage
    model: str
    data: list[Ranked]
    object: str = "list"
    top_k: int
    return_input: bool


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    call.count(len(request.input), "input")
    if request.rewrite_query:
        raise InvalidRequest("rewrite_query is not done here: leave it out.", "body.rewrite_query")
    texts = [
        text_of_document(index, document, request.rank_fields, "input") for index, document in enumerate(request.input)
    ]
    long = long_document_arguments(request, call, habit="truncate")
    ranking = engine.rerank(request.query, texts, top_n=request.top_k, job=call.job, **long)
    return RerankResponse(
        usage=Usage(ranking.tokens, ranking.tokens),
        model=model,
        data=[
            Ranked(
                index=ranked.index,
                score=ranked.score,
                input=request.input[ranked.index] if request.return_input else UNSET,
                **told_chunks(ranked.chunks, request),
            )
            for ranked in ranking.results
        ],
        top_k=len(ranking.results),
        return_input=request.return_input,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/reranking",),
        dialect="Mixedbread",
        summary="Put inputs in the order of their scores for a query",
        request=RerankRequest,
        example={"query": "capital of France", "input": ["Paris is in France.", "Cows eat grass."], "top_k": 1},
        response=RerankResponse,
        answer=rerank,
        words=Words({"top_n": "top_k"}),
        when=lambda fields, headers: has(fields, "input"),
        told_by="a body with `input`",
    ),
)
