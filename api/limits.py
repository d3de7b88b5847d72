"""Bounds what one request may ask for, and how many are answered at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from engine import DEFAULT_CHUNKS, DEFAULT_OVERLAP, LongDocuments

from .errors import BodyTooLarge, BodyTooSlow, ServerBusy


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request, and of all together; `timeout` is in seconds.

    Tokens are those of all inputs, as `engine.Job.tokens` counts them, whether they were computed or remembered. The
    defaults are choices: more than clients of one server ask for, and less than would fill a small machine's memory.
    """

    max_body_bytes: int = 32 * 2**20
    max_documents: int = 10_000
    max_request_tokens: int = 1_000_000
    timeout: float = 60.0
    max_concurrent_requests: int = 512
    max_queued_tokens: int = 2_000_000
    """Those that may wait for each model."""
    long_documents: LongDocuments | None = None
    """What becomes of documents longer than a model takes where a request does not say; None for what its API does."""
    max_chunks_per_doc: int = DEFAULT_CHUNKS
    """How many chunks of a document are scored at most, where a request does not say."""
    chunk_overlap: int = DEFAULT_OVERLAP
    """How many tokens chunks have in common at most, where a request does not say."""
    auto_truncate: bool = True
    """Whether texts longer than a model takes are cut for requests of TEI's that do not say, as TEI does."""
    refuse_token_ids: bool = False
    """Whether texts may not come as token ids, whose vocabulary nobody can tell."""


class Gate:
    """Counts the requests that are being answered, and turns away those that are too many."""

    def __init__(self, limit: int) -> None:
        self.inside = 0
        self._limit = limit

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside for as long as the context lasts. Raises `ServerBusy`."""
        if self.inside >= self._limit:
            raise ServerBusy(self._limit)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


async def read_body(request: Request, limits: Limits) -> bytes:
    """A request's body. Raises `BodyTooLarge`, before reading it where its length is declared, and `BodyTooSlow`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise BodyTooLarge(limits.max_body_bytes)
    chunks = []
    size = 0
    try:
        async with asyncio.timeout(limits.timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limits.max_body_bytes:
                    raise BodyTooLarge(limits.max_body_bytes)
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTooSlow(limits.timeout) from None
    return b"".join(chunks)
