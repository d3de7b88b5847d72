"""Answers `/rerank` with documents in the order of their scores for a query (vLLM and Jina)."""

import dataclasses
from functools import partial
from typing import Annotated, Self

import msgspec
from msgspec import UNSET, UnsetType

from engine import Engine, ScoreArguments

from ...endpoint import Call, Endpoint
from ...wire.contents import Item, Items, Part, listed, read
from ...wire.ids import response_id
from ...wire.long_documents import ChunksResult, told_chunks
from ...wire.requiring import require, require_cutting, require_one
from ..cohere.common import Meta, Version
from .common import Scoring, scoring_arguments


class RerankRequest(Scoring, kw_only=True):
    """Documents to put in order for one query. `top_n` null or 0 returns all of them.

    Jina's `truncation` cuts what is too long, and its `max_query_length` and `max_doc_length` are
    `max_tokens_per_query` and `max_tokens_per_doc`, but may be more than the model takes. `return_embeddings` is
    refused.
    """

    query: str | Item
    documents: Items
    top_n: int | None = None
    return_documents: bool | None = None
    truncation: bool | None = None
    max_query_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_doc_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    return_embeddings: bool | None = None


class Document(msgspec.Struct, frozen=True):
    """A document as it was given: its text, or the parts of one with images. `image` is there where it was given."""

    text: str | None
    multi_modal: list[Part] | None = None
    image: str | UnsetType = UNSET

    @classmethod
    def of(cls, item: str | Item) -> Self:
        if isinstance(item, str):
            return cls(item)
        if item.image is not None:
            return cls(item.text, image=item.image)
        return cls(None, item.content) if item.urls else cls(item.own_text)


class RerankResult(ChunksResult, frozen=True, kw_only=True):
    index: int
    document: Document | UnsetType = UNSET
    relevance_score: float


class Usage(msgspec.Struct, frozen=True):
    """Tokens of all inputs, remembered ones too."""

    prompt_tokens: int
    total_tokens: int


class RerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score. `meta` is what Cohere's clients read besides, on the paths that are Cohere's, too."""

    id: str
    model: str
    usage: Usage
    results: list[RerankResult]
    meta: Meta | UnsetType = UNSET


def rerank(request: RerankRequest, call: Call, version: Version | None = None) -> RerankResponse:
    """Answer one request, on the path of a version of Cohere's API or on vLLM's own."""
    model, engine = call.engine(request.model)
    documents = listed(request.documents)
    call.count(len(documents), "documents")
    require(request, return_embeddings=False)
    require_cutting(request, "truncation")
    require_one(request, "max_query_length", "max_tokens_per_query")
    require_one(request, "max_doc_length", "max_tokens_per_doc")
    arguments = _arguments(request, engine, call, version)
    query, *contents = read([request.query, *documents], engine, call)
    ranking = engine.rerank(query, contents, top_n=request.top_n, **arguments)
    with_documents = request.return_documents is not False
    return RerankResponse(
        id=response_id("score", request.request_id, call),
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[
            RerankResult(
                index=ranked.index,
                document=Document.of(documents[ranked.index]) if with_documents else UNSET,
                relevance_score=ranked.score,
                **told_chunks(ranked.chunks, request),
            )
            for ranked in ranking.results
        ],
        meta=UNSET if version is None else Meta.of_search(version, len(documents)),
    )


def _arguments(request: RerankRequest, engine: Engine, call: Call, version: Version | None) -> ScoreArguments:
    """The engine's arguments for a request with Jina's words and Cohere's habits in it.

    Version 2 of Cohere's API cuts what is too long, and its clients send limits that are more than a model takes.
    """
    arguments = scoring_arguments(
        request, call, truncation=request.truncation, habit="truncate" if version == "2" else "refuse"
    )
    longest = engine.manifest.max_length
    query, document = request.max_query_length, request.max_doc_length
    # More tokens than the model takes can be kept of a document where it is split.
    chunked = arguments["long_documents"] == "chunk"
    if version == "2" and not chunked and (request.max_tokens_per_doc or 0) >= longest:
        arguments["max_tokens_per_doc"] = None
    if query is not None and query < longest:
        arguments["max_tokens_per_query"] = query
    if document is not None and (chunked or document < longest):
        arguments["max_tokens_per_doc"] = document
    return arguments


RERANK = Endpoint(
    method="POST",
    paths=("/rerank",),
    dialect="vLLM and Jina",
    summary="Put documents in the order of their scores for a query",
    request=RerankRequest,
    example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."]},
    response=RerankResponse,
    answer=rerank,
)

ENDPOINTS = (
    RERANK,
    dataclasses.replace(RERANK, paths=("/v1/rerank",), answer=partial(rerank, version="1")),
    dataclasses.replace(RERANK, paths=("/v2/rerank",), answer=partial(rerank, version="2")),
)
