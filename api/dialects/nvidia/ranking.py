"""Answers `/v1/ranking` with passages in the order of their logits for a query (NVIDIA)."""

from typing import Literal

import msgspec

from ...endpoint import Call, Endpoint
from ...wire.contents import Item, read
from ...wire.long_documents import ChunksRequest, ChunksResult, long_document_arguments, told_chunks
from ...words import Words
from ..vllm.rerank import Usage


class Query(msgspec.Struct):
    """A text: NVIDIA's rerankers have no place for a picture in it."""

    text: str
    image: str | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            raise ValueError("must be text alone: send images as passages")


class Passage(msgspec.Struct):
    """A text, an image as a data URL, or both."""

    text: str | None = None
    image: str | None = None

    def __post_init__(self) -> None:
        if self.text is None and self.image is None:
            raise ValueError("must have text or image")


class RankingRequest(ChunksRequest, kw_only=True):
    """Passages to put in order for one query. `truncate` "END" cuts long ones, and "NONE" refuses them, as is done
    where it is left out.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    query: Query
    passages: list[Passage]
    model: str | None = None
    truncate: Literal["END", "NONE"] | None = None


class Ranked(ChunksResult, frozen=True):
    """A passage's place in the request, and a cross-encoder's logit for it, or an embedder's score."""

    index: int
    logit: float


class RankingResponse(msgspec.Struct, frozen=True):
    """Passages by falling logit."""

    rankings: list[Ranked]
    usage: Usage


def rank(request: RankingRequest, call: Call) -> RankingResponse:
    """Answer one request."""
    _, engine = call.engine(request.model)
    call.count(len(request.passages), "passages")
    cuts = None if request.truncate is None else request.truncate == "END"
    long = long_document_arguments(request, call, habit="refuse", cuts=cuts, field="truncate")
    passages = read([Item(passage.text, passage.image) for passage in request.passages], engine, call)
    ranking = engine.rerank(request.query.text, passages, use_activation=False, job=call.job, **long)
    return RankingResponse(
        [Ranked(ranked.index, ranked.score, **told_chunks(ranked.chunks, request)) for ranked in ranking.results],
        Usage(ranking.tokens, ranking.tokens),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/ranking",),
        dialect="NVIDIA",
        summary="Put passages, texts and images, in the order of their logits for a query",
        request=RankingRequest,
        example={
            "query": {"text": "capital of France"},
            "passages": [{"text": "Paris is in France."}, {"text": "Cows eat grass."}],
        },
        response=RankingResponse,
        answer=rank,
        words=Words(cutting='truncate to "END"'),
    ),
)
