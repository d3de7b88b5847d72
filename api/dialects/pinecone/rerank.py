"""Answers `/rerank` with documents in the order of their scores for a query (Pinecone)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint
from ...wire.documents import Document, text_of_document, value_of
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ...words import Words
from .common import DIALECT, TOLD_BY, from_pinecone_client

_RERANK_UNIT = 100


class RerankParameters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`truncate` "END" cuts long texts, and "NONE" refuses them, as is done where it is left out."""

    truncate: Literal["END", "NONE"] | None = None


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to put in order for one query; `top_n` null or 0 returns all of them.

    A document is read as what it has under the one of `rank_fields`, and where there are several as a line
    "name: value" for each.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    documents: list[Document]
    model: str | None = None
    top_n: Annotated[int, Meta(ge=0)] | None = None
    rank_fields: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["text"])
    return_documents: bool = True
    parameters: RerankParameters = msgspec.field(default_factory=RerankParameters)


class Ranked(ChunksResult, frozen=True):
    """`document` is the one that was given, unless it was not asked for: a string as `{"text": …}`."""

    index: int
    score: float
    document: dict[str, Any] | UnsetType = UNSET


class Usage(msgspec.Struct, frozen=True):
    """One for every 100 documents begun."""

    rerank_units: int


class RerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score."""

    model: str
    data: list[Ranked]
    usage: Usage


def rerank(request: RerankRequest, call: Call) -> RerankResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    call.count(len(request.documents), "documents")
    documents = [{"text": own} if isinstance(own, str) else own for own in request.documents]
    truncate = request.parameters.truncate
    cuts = None if truncate is None else truncate == "END"
    long = long_document_arguments(request, call, habit="refuse", cuts=cuts, field="parameters.truncate")
    ranking = engine.rerank(
        request.query,
        [_text(index, document, request.rank_fields) for index, document in enumerate(documents)],
        top_n=request.top_n,
        job=call.job,
        **long,
    )
    return RerankResponse(
        model=model,
        data=[
            Ranked(
                ranked.index,
                ranked.score,
                documents[ranked.index] if request.return_documents else UNSET,
                **told_chunks(ranked.chunks, request),
            )
            for ranked in ranking.results
        ],
        usage=Usage(-(-len(documents) // _RERANK_UNIT)),
    )


def _text(index: int, document: dict[str, Any], rank_fields: list[str]) -> str:
    """What a document is read as. Raises `InvalidRequest` where it has none of the fields it is to be read by."""
    if len(rank_fields) == 1 and rank_fields[0] in document:
        return value_of(document[rank_fields[0]])
    return text_of_document(index, document, rank_fields)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/rerank",),
        dialect=DIALECT,
        summary="Put documents in the order of their scores for a query",
        request=RerankRequest,
        example={
            "query": "capital of France",
            "documents": [{"text": "Paris is in France."}, {"text": "Cows eat grass."}],
        },
        response=RerankResponse,
        answer=rerank,
        words=Words(cutting='parameters.truncate to "END"'),
        when=from_pinecone_client,
        told_by=TOLD_BY,
    ),
)
