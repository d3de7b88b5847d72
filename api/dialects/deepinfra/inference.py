"""Answers `/v1/inference/MODEL` with scores of documents or embeddings of texts (DeepInfra)."""

import time
from typing import Literal

import msgspec

from engine import BI_ENCODER, LongDocuments, normalized

from ...endpoint import Call, Endpoint, has
from ...errors import InvalidRequest
from ...wire.answers import numbers
from ...wire.long_documents import long_document_arguments
from ...wire.requiring import require, require_one
from ...wire.vectors import is_normalizing
from ..tei.common import as_asked
from ..tei.embed import Embeddings

_PATHS = ("/v1/inference/{model:path}",)
_DIALECT = "DeepInfra"


class Common(msgspec.Struct, kw_only=True):
    """What both kinds of requests may say. Long texts are cut. `webhook` is refused: answers go to who asks.

    `service_tier` "priority" lets a request go before others.
    """

    service_tier: Literal["default", "priority"] = "default"
    webhook: str | None = None


class ScoringRequest(Common, kw_only=True):
    """A query for all documents, or one for each. `instruction` goes to the model's score template.

    `long_documents`, `max_chunks_per_doc` and `chunk_overlap` are ScoreRT's own. `return_chunks` is refused: the answer
    has no place for them.
    """

    documents: list[str]
    queries: str | list[str] | None = None
    query: str | None = None
    instruction: str | None = None
    long_documents: LongDocuments | None = None
    max_chunks_per_doc: int | None = None
    chunk_overlap: int | None = None
    return_chunks: bool | None = None


class EmbeddingRequest(Common, kw_only=True):
    """Texts to embed without a prompt. `normalize` makes embeddings of length 1, and false is refused where the model
    does so itself. `image` is refused.

    `dimensions` cuts the embeddings of Matryoshka models.
    """

    inputs: list[str]
    normalize: bool | None = None
    dimensions: int | None = None
    image: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "succeeded"
    runtime_ms: int
    cost: float = 0.0
    tokens_generated: int = 0
    tokens_input: int


class ScoringResponse(msgspec.Struct, frozen=True):
    """Scores in the order of the documents: sigmoids of a cross-encoder's logits."""

    scores: list[float]
    input_tokens: int
    request_id: str
    inference_status: Status


class EmbeddingResponse(msgspec.Struct, frozen=True):
    """Embeddings in the order of the texts."""

    embeddings: Embeddings
    input_tokens: int
    request_id: str
    inference_status: Status


def score(request: ScoringRequest, call: Call) -> ScoringResponse:
    """Answer one request."""
    _, engine = call.engine(call.places["model"])
    call.count(len(request.documents), "documents")
    _begin(request, call)
    require(request, return_chunks=False)
    require_one(request, "query", "queries")
    queries = request.query if request.queries is None else request.queries
    if queries is None:
        raise InvalidRequest("query is missing: add it, or queries.", "body.query")
    scored = engine.score(
        queries,
        request.documents,
        use_activation=False,
        instruction=request.instruction,
        job=call.job,
        **long_document_arguments(request, call, habit="truncate"),
    )
    return ScoringResponse(
        as_asked(scored.scores, False, engine), scored.tokens, call.record.request_id, _status(scored.tokens, call)
    )


def embed(request: EmbeddingRequest, call: Call) -> EmbeddingResponse:
    """Answer one request."""
    _, engine = call.engine(call.places["model"], BI_ENCODER)
    call.count(len(request.inputs), "inputs")
    _begin(request, call)
    if request.image is not None:
        raise InvalidRequest("image is not read here: send images to /v1/embeddings.", "body.image")
    normalizing = is_normalizing(engine, normalize=request.normalize)
    embedded = engine.embed(
        request.inputs, role=None, dimensions=request.dimensions, truncate_prompt_tokens=-1, job=call.job
    )
    rows = normalized(embedded.embeddings) if normalizing else embedded.embeddings
    tokens = sum(embedded.tokens)
    return EmbeddingResponse(numbers(rows), tokens, call.record.request_id, _status(tokens, call))


def _begin(request: Common, call: Call) -> None:
    if request.webhook is not None:
        raise InvalidRequest("webhook is not called here: leave it out, and read the answer.", "body.webhook")
    call.job.priority = -1 if request.service_tier == "priority" else 0


def _status(tokens: int, call: Call) -> Status:
    return Status(runtime_ms=round(1000 * (time.perf_counter() - call.record.began)), tokens_input=tokens)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=_PATHS,
        dialect=_DIALECT,
        summary="Embed texts with a bi-encoder",
        request=EmbeddingRequest,
        example={"inputs": ["Paris is in France.", "Cows eat grass."]},
        response=EmbeddingResponse,
        answer=embed,
        when=lambda fields, headers: has(fields, "inputs"),
        told_by="a body with `inputs`",
    ),
    Endpoint(
        method="POST",
        paths=_PATHS,
        dialect=_DIALECT,
        summary="Score documents for a query",
        request=ScoringRequest,
        example={"query": "capital of France", "documents": ["Paris is in France.", "Cows eat grass."]},
        response=ScoringResponse,
        answer=score,
        told_by="any other body",
    ),
)
