"""Answers `/v1/rerank` and `/v2/rerank` with documents in the order of their scores for a query (Cohere)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...endpoint import Call, Endpoint, Fields, Headers, has
from ...errors import InvalidRequest
from ...wire.contents import Item, read
from ...wire.documents import Document, text_of_document
from ...wire.ids import response_id
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from .common import Meta, Version, from_cohere_client

_PICTURED = ("image", "content")
"""The fields of a document that may have images."""

_NOT_COHERES = ("long_documents", "top_k", "raw_scores", "property")
"""Fields beside which `max_chunks_per_doc` is ScoreRT's own, for all of its APIs."""


class RerankRequest(ChunksRequest, kw_only=True):
    """Documents to put in order for one query; `top_n` null returns all of them.

    A document that is an object is read as its "text", or as a line "name: value" for each of its `rank_fields`. A
    model that reads images is given its "image" besides, or its "content" instead, as vLLM's and Jina's clients send
    them. `priority`: the lower goes first. Long documents are cut, to `max_tokens_per_doc` if that is less than the
    model takes, or are scored by their chunks with `max_chunks_per_doc`: of a document's first tokens, as many as
    `max_tokens_per_doc` says. `long_documents`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: str
    documents: list[Document]
    model: str | None = None
    top_n: int | None = None
    rank_fields: list[str] | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    priority: int | None = None


class RerankResult(ChunksResult, frozen=True):
    """`document` is the one that was given, if that was asked for: a string as `{"text": …}`."""

    index: int
    relevance_score: float
    document: dict[str, Any] | UnsetType = UNSET


class RerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score."""

    id: str
    results: list[RerankResult]
    meta: Meta


def rerank(request: RerankRequest, call: Call, version: Version) -> RerankResponse:
    """Answer one request."""
    _, engine = call.engine(request.model)
    call.count(len(request.documents), "documents")
    call.job.priority = request.priority or 0
    long = long_document_arguments(request, call, habit="truncate")
    limit = request.max_tokens_per_doc
    contents = _contents if engine.manifest.pictures is not None else text_of_document
    documents = [contents(index, document, request.rank_fields) for index, document in enumerate(request.documents)]
    ranking = engine.rerank(
        request.query,
        read(documents, engine, call),
        top_n=request.top_n,
        # Clients send Cohere's default of 4096 to any model; but for chunks the engine wants fewer than it takes.
        max_tokens_per_doc=None
        if long["long_documents"] != "chunk" and (limit or 0) >= engine.manifest.max_length
        else limit,
        job=call.job,
        **long,
    )
    return RerankResponse(
        id=response_id("rerank", None, call),
        results=[
            RerankResult(
                ranked.index,
                ranked.score,
                _given(request.documents[ranked.index]) if request.return_documents else UNSET,
                **told_chunks(ranked.chunks, request),
            )
            for ranked in ranking.results
        ],
        meta=Meta.of_search(version, len(request.documents)),
    )


def _contents(index: int, document: Document, rank_fields: Sequence[str] | None) -> str | Item:
    """What a document is read as where it may have images. Raises `InvalidRequest` for none."""
    pictured = [name for name in _PICTURED if name in document and (not rank_fields or name in rank_fields)]
    if isinstance(document, str) or not pictured:
        return text_of_document(index, document, rank_fields)
    text = document.get("text")
    if rank_fields:
        texts = [name for name in rank_fields if name in document and name not in pictured]
        text = text_of_document(index, document, texts) if texts else None
    try:
        return msgspec.convert({name: document[name] for name in pictured} | {"text": text}, Item)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"documents[{index}] must have a text and an image, which are strings, or content, which is a list of "
            "parts: write it as one of those.",
            "body.documents",
        ) from None


def _given(document: Document) -> dict[str, Any]:
    return {"text": document} if isinstance(document, str) else document


def _is_meant(fields: Fields, headers: Headers) -> bool:
    has_both = has(fields, "max_chunks_per_doc") and has(fields, "documents")
    # Also null: Voyage's own client sends such a `top_k`.
    asks_for_chunks = has_both and fields.keys().isdisjoint(_NOT_COHERES)
    return from_cohere_client(headers) or asks_for_chunks or has(fields, "rank_fields")


def _endpoint(version: Version, *paths: str) -> Endpoint:
    return Endpoint(
        method="POST",
        paths=paths,
        dialect="Cohere",
        summary="Put documents in the order of their scores for a query",
        request=RerankRequest,
        example={"query": "capital of France", "documents": [{"text": "Paris is in France."}], "rank_fields": ["text"]},
        response=RerankResponse,
        answer=partial(rerank, version=version),
        when=_is_meant,
        told_by="the headers of Cohere's clients, or a body with `rank_fields`, or `max_chunks_per_doc` alone",
    )


ENDPOINTS = (_endpoint("1", "/v1/rerank", "/rerank"), _endpoint("2", "/v2/rerank"))
