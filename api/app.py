"""Makes the ASGI application: routes its paths, guards them, and answers requests that fail."""

import functools
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from engine import ScoreRTError, __version__

from . import openapi, pages
from .answering import Answering
from .dialects import ENDPOINTS, tei, weaviate
from .endpoint import Endpoint
from .errors import CLIENT_LEFT, Error, ErrorBody, InvalidKey, RequestError, client_error, error_headers, status_error
from .keys import OPEN_PATHS, Keys
from .media.reading import Media
from .models import Models
from .observing.logs import log_request
from .observing.metrics import Metrics
from .observing.record import Observer
from .observing.tracing import tracer_for
from .observing.tracking import HEADER, Tracking, record_of
from .settings.settings import Access, Settings
from .telling import fields_by_path

# The headers of its own that an answer may have.
_EXPOSED = (HEADER, "Retry-After", "metadata", "Allow", "Accept-Encoding", "WWW-Authenticate")


def create_app(models: Models, settings: Settings, observers: Sequence[Observer] = ()) -> ASGIApp:
    """The application that serves `models`, for the server of `python -m api` and for any other ASGI server.

        app = create_app(Models.load(settings), settings)

    `observers` get the record of each request, besides the logs, metrics and traces. Of `settings`, `network`,
    `log_format` and `log_level` are for the server alone. Nothing of the process is changed, and neither its arguments
    nor `SCORERT_*` variables are read, so whoever starts it does what `api.__main__` and `api.server` do for theirs:

    - set the variable OPENBLAS_NUM_THREADS to 1 before numpy is imported, which reads it then; a warning is logged
      where it is not set. With more threads each, requests that compare embeddings slow each other down many times.
    - set up logging, by `api.observing.logs.configure` or otherwise: requests go to the logger "scorert".
    - end on SIGTERM once requests are answered, as ASGI servers do.
    - close the models. The application does so at the end of its lifespan, which uvicorn and others run; a Starlette
      `Mount` does not, so the lifespan of the outer application calls `models.close()`.

    Raises `SettingsError` where traces are asked for and OpenTelemetry is not installed, and where images may come from
    a folder that does not exist or a host that is none.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        logging.getLogger("scorert").warning(
            "OPENBLAS_NUM_THREADS is not set, so requests that compare embeddings at the same time slow each other "
            "down: set it to 1 before numpy is imported."
        )
    tracer = tracer_for(settings.observing.otlp_endpoint, __version__) if settings.observing.otlp_endpoint else None
    media = Media(settings.media)
    answering = Answering(models, settings.limits, media)
    metrics = _metrics(models, answering)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        media.close()
        models.close()
        if tracer is not None:
            await to_thread.run_sync(tracer.shutdown)

    async def show_metrics(request: Request) -> Response:
        body, content_type = await to_thread.run_sync(metrics.render, request.headers.get("accept"))
        return Response(body, headers={"Content-Type": content_type})

    handlers = {
        RequestError: _refuse,
        ScoreRTError: _refuse,
        HTTPException: _refuse_path,
        ClientDisconnect: _abandon,
        Exception: _fail,
    }
    routes = [
        *_routes(answering, ENDPOINTS),
        Route("/metrics", show_metrics),
        Route("/openapi.json", _describe),
        *pages.routes(),
    ]
    app = Starlette(routes=routes, middleware=_guards(settings.access), exception_handlers=handlers, lifespan=lifespan)
    traces = [] if tracer is None else [tracer.observe]
    return Tracking(app, [metrics.observe, log_request, *traces, *observers])


def _metrics(models: Models, answering: Answering) -> Metrics:
    metrics = Metrics()
    metrics.count_in_flight(lambda: answering.gate.inside)
    for name, engine in models.served.items():
        metrics.watch(name, engine)
        metrics.watch_cache(name, engine)
        engine.on_batch(metrics.batches(name))
    return metrics


async def _describe(request: Request) -> Response:
    return Response(_description(request.scope.get("root_path", "")), media_type="application/json")


@functools.lru_cache
def _description(root: str) -> bytes:
    """The description where the application is mounted at `root`. Made when it is asked for, so that starting does not
    wait for it."""
    return msgspec.json.encode(openapi.document(ENDPOINTS, __version__) | {"servers": [{"url": root or "/"}]})


def _guards(access: Access) -> list[Middleware]:
    guards = []
    if access.allow_origins:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=access.allow_origins,
                allow_methods=["GET", "POST"],
                # The origin is what is guarded: SDKs and tracers send headers of their own.
                allow_headers=["*"],
                # Pages on the internet may ask a server in the user's own network.
                allow_private_network=True,
                expose_headers=_EXPOSED,
            )
        )
    if access.api_keys:
        open_paths = (*OPEN_PATHS, "/metrics") if access.public_metrics else OPEN_PATHS
        guards.append(Middleware(Keys, keys=access.api_keys, open_paths=open_paths, refuse=_refuse_key))
    return guards


def _routes(answering: Answering, endpoints: Sequence[Endpoint]) -> list[Route]:
    """A route for each path, whatever its methods, so that an answer of 405 can name them all."""
    fields = fields_by_path(endpoints)
    by_path: dict[str, dict[str, list[Endpoint]]] = {}
    for endpoint in endpoints:
        for path in endpoint.paths:
            by_path.setdefault(path, {}).setdefault(endpoint.method, []).append(endpoint)
    return [
        Route(written, answering.of(by_method, fields[path]), methods=list(by_method))
        for path, by_method in by_path.items()
        # A redirect to the path without its last slash would leave out what a proxy put before it.
        for written in ([path] if path == "/" else [path, f"{path}/"])
    ]


def _refuse_key(sentence: str) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        error = InvalidKey(sentence)
        await (await _refuse(Request(scope), error))(scope, receive, send)

    return refuse


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError | ScoreRTError)
    refusal = client_error(error)
    if refusal is None:
        raise error
    return _error(request, refusal, error_headers(error), error)


async def _refuse_path(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    messages = {
        HTTPStatus.NOT_FOUND: f"The path {path} does not exist.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"The path {path} does not take {method}, only {_allowed(error)}.",
    }
    status = HTTPStatus(error.status_code)
    return _error(request, status_error(status, messages.get(status, error.detail)), error.headers or {})


def _allowed(error: HTTPException) -> str:
    return " or ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))


async def _abandon(request: Request, error: Exception) -> Response:
    """The client left while it was sending, so nobody reads this."""
    return Response(status_code=CLIENT_LEFT)


async def _fail(request: Request, error: Exception) -> Response:
    """Starlette raises the exception again once this is sent, for the log."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _error(request, status_error(status, "The server failed to answer; its log has the reason."))


def _error(
    request: Request, error: Error, headers: Mapping[str, str] | None = None, cause: Exception | None = None
) -> Response:
    record = record_of(request.scope)
    record.error = error.message
    said = {"message": error.message, "detail": error.message, "request_id": record.request_id}
    if record.dialect == weaviate.DIALECT:
        body = msgspec.json.encode(weaviate.WeaviateErrorBody(error=error.message, **said))
        return Response(body, error.code, headers, "application/json")
    if record.dialect != tei.DIALECT:
        return Response(msgspec.json.encode(ErrorBody(error, **said)), error.code, headers, "application/json")
    status, error_type = tei.told(error, cause, record.pairs)
    body = msgspec.json.encode(tei.TEIErrorBody(error=error.message, error_type=error_type, **said))
    return Response(body, status, headers, "application/json")
