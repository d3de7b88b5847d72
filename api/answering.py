"""Answers requests with the endpoints of their paths, for as long as their clients are there to read it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine import Job

from .compression import check_encoding, decompressed
from .endpoint import Binary, Call, Endpoint
from .errors import InvalidRequest
from .limits import Gate, Limits, read_body
from .media.reading import Media
from .models import Models
from .observing.tracking import record_of
from .telling import foreign, meant, refuse_foreign
from .wire.answered import answered
from .wire.answers import encoded, joined
from .wire.decoding import fields_of
from .wire.values import require_few_values


class Answering:
    """Answers requests within the limits. Models, limits and media are one server's."""

    def __init__(self, models: Models, limits: Limits, media: Media) -> None:
        self._models = models
        self._limits = limits
        self.media = media
        self.gate = Gate(limits.max_concurrent_requests)
        # A request sleeps in a thread while it waits for the engine, whose own workers bound the computing.
        self._threads = CapacityLimiter(limits.max_concurrent_requests)

    def of(
        self, endpoints: Mapping[str, Sequence[Endpoint]], fields: frozenset[str] = frozenset()
    ) -> Callable[[Request], Awaitable[Response]]:
        """A function that answers requests on one path, whose endpoints are given by method.

        `fields` are what their bodies may have, as `fields_by_path` has them.
        """

        # Whose bodies need no look at their fields before they are decoded.
        plain = {method for method, own in endpoints.items() if len(own) == 1 and not foreign(own[0], fields)}

        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            own = endpoints[method]
            # What goes wrong before the body is known is told in the dialect of one that needs no field of it.
            endpoint = meant(own, {}, request.headers)
            record_of(request.scope).dialect = endpoint.dialect
            if own[0].request is None:
                return _response(endpoint.answer(None, self._call(request)))
            _require_json(request.headers.get("content-type"))
            encoding = check_encoding(request.headers.get("content-encoding", ""))
            with self.gate.entered():
                body = await self._body(request)
                call = self._call(request)
                with closing(call.media):
                    async with _cancelled_on_disconnect(request, call.job):
                        # Decoding and encoding go to the thread too: a large body must not hold up the event loop.
                        known = None if method in plain else fields
                        return await to_thread.run_sync(
                            _answer, own, known, body, encoding, call, limiter=self._threads
                        )

        return answer

    async def _body(self, request: Request) -> bytes:
        record = record_of(request.scope)
        try:
            return await read_body(request, self._limits)
        finally:
            record.receiving = time.perf_counter() - record.began

    def _call(self, request: Request) -> Call:
        record = record_of(request.scope)
        record.job = job = Job(
            timeout=self._limits.timeout,
            max_tokens=self._limits.max_request_tokens,
            max_chunks=self._limits.max_documents,
        )
        media = self.media.of(job)
        return Call(
            self._models,
            self._limits,
            self.gate,
            request.headers,
            request.query_params,
            request.path_params,
            job,
            media,
            record,
        )


def _answer(
    endpoints: Sequence[Endpoint], known: frozenset[str] | None, body: bytes, encoding: str, call: Call
) -> Response:
    """`known` are the fields that a body of the path may have; None where the one endpoint knows them all."""
    body = decompressed(body, encoding, call.limits.max_body_bytes)
    require_few_values(body, call.limits)
    endpoint = endpoints[0]
    if known is not None:
        fields = fields_of(body)
        endpoint = meant(endpoints, fields, call.headers)
        call.record.dialect = endpoint.dialect
        refuse_foreign(fields, foreign(endpoint, known), endpoint)
    return _response(answered(body, endpoint.request, endpoint.answer, endpoint.words, call))


def _response(answer: object) -> Response:
    if answer is None:
        return Response()
    if isinstance(answer, Binary):
        return _of_parts(list(joined(answer.parts)), "application/octet-stream", answer.headers)
    return _of_parts(encoded(answer), "application/json")


def _of_parts(parts: Sequence[bytes], media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """A response whose parts are sent one by one, since the whole would be copied where a client reads it slowly."""
    if len(parts) < 2:
        return Response(b"".join(parts), headers=headers, media_type=media_type)
    length = str(sum(map(len, parts)))

    async def each() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return StreamingResponse(each(), headers={**(headers or {}), "content-length": length}, media_type=media_type)


def _require_json(content_type: str | None) -> None:
    """Raises `InvalidRequest` for another media type; without one the body is taken for JSON."""
    if content_type and content_type.split(";", 1)[0].strip().lower() != "application/json":
        raise InvalidRequest(f"The content-type must be application/json, not {content_type}.", None)


@asynccontextmanager
async def _cancelled_on_disconnect(request: Request, job: Job) -> AsyncIterator[None]:
    """Cancel the job when the client leaves, so that nothing is computed for nobody."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        job.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
