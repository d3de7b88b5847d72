"""Answers `/score` with the score of each query with its document (vLLM)."""

import time
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ...wire.contents import Items, listed, read
from ...wire.ids import response_id
from ...wire.long_documents import ChunksResult, told_chunks
from ...wire.requiring import require_one
from .common import CompletionUsage, Scoring, scoring_arguments

# The names that go together, in the order they are looked for.
_SIDES = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))


class ScoreRequest(Scoring, kw_only=True):
    """Two sides to score, 1:1, 1:N or N:N, under any of the pairs of names clients have for them."""

    queries: Annotated[Items, Meta(examples=["What is the capital of France?"])] | UnsetType = UNSET
    documents: Annotated[Items, Meta(examples=[["Paris is in France.", "Cows eat grass."]])] | UnsetType = UNSET
    items: Items | UnsetType = UNSET
    text_1: Items | UnsetType = UNSET
    text_2: Items | UnsetType = UNSET
    data_1: Items | UnsetType = UNSET
    data_2: Items | UnsetType = UNSET


class Score(ChunksResult, frozen=True, kw_only=True):
    index: int
    object: str = "score"
    score: float


class ScoreResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Scores in the order of the documents. `created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Score]
    usage: CompletionUsage


def score(request: ScoreRequest, call: Call) -> ScoreResponse:
    """Answer one request."""
    model, engine = call.engine(request.model)
    queries, documents = map(listed, _sides(request))
    call.count(max(len(queries), len(documents)), "documents")
    arguments = scoring_arguments(request, call)
    contents = read([*queries, *documents], engine, call)
    scored = engine.score(contents[: len(queries)], contents[len(queries) :], **arguments)
    return ScoreResponse(
        id=response_id("score", request.request_id, call),
        created=int(time.time()),
        model=model,
        data=[
            Score(index=index, score=value, **told_chunks(scored.chunks_of(index), request))
            for index, value in enumerate(scored.scores.tolist())
        ],
        usage=CompletionUsage.of(scored.tokens),
    )


def _sides(request: ScoreRequest) -> tuple[Items, Items]:
    """Queries and documents, whatever the request calls them. Raises `InvalidRequest` where one is missing, and where
    the names contradict each other."""
    require_one(request, "queries", "data_1", "text_1")
    require_one(request, "documents", "items", "data_2", "text_2")
    for names in _SIDES:
        first, second = (getattr(request, name) for name in names)
        if first is not UNSET and second is not UNSET:
            return first, second
    for first_name, second_name in _SIDES:
        first, second = getattr(request, first_name), getattr(request, second_name)
        if first is not UNSET or second is not UNSET:
            missing, given = (second_name, first_name) if second is UNSET else (first_name, second_name)
            raise InvalidRequest(f"{missing} is missing: give it beside {given}.", f"body.{missing}")
    raise InvalidRequest("queries and documents are missing: give both.", "body.queries")


SCORE = Endpoint(
    method="POST",
    paths=("/score", "/v1/score"),
    dialect="vLLM",
    summary="Score queries with documents: 1:1, 1:N or N:N",
    request=ScoreRequest,
    example={"queries": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."]},
    response=ScoreResponse,
    answer=score,
)

ENDPOINTS = (SCORE,)
