"""The ASGI application: paths, and what becomes of requests on them."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from engine import ScoreRTError

from .answering import Answering
from .dialects import ENDPOINTS
from .endpoint import Endpoint
from .errors import Error, ErrorBody, RequestError, client_error, error_headers, status_error
from .limits import Limits
from .models import Models
from .record import CLIENT_LEFT, Observer
from .tracking import Tracking, record_of


def create_app(models: Models, limits: Limits, observers: Sequence[Observer] = ()) -> ASGIApp:
    """The application that serves `models`, and closes them when it shuts down."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        models.close()

    handlers = {
        RequestError: _refuse,
        ScoreRTError: _refuse,
        HTTPException: _refuse_path,
        ClientDisconnect: _abandon,
        Exception: _fail,
    }
    routes = _routes(Answering(models, limits), ENDPOINTS)
    return Tracking(Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan), observers)


def _routes(answering: Answering, endpoints: Sequence[Endpoint]) -> list[Route]:
    """A route for each path, whatever its methods, so that an answer of 405 can name them all."""
    by_path: dict[str, dict[str, list[Endpoint]]] = {}
    for endpoint in endpoints:
        for path in endpoint.paths:
            by_path.setdefault(path, {}).setdefault(endpoint.method, []).append(endpoint)
    return [Route(path, answering.of(by_method), methods=list(by_method)) for path, by_method in by_path.items()]


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError | ScoreRTError)
    refusal = client_error(error)
    if refusal is None:
        return await _fail(request, error)
    return _error(request, refusal, error_headers(error))


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
    logging.getLogger("scorert").error("Request %s failed", record_of(request.scope).request_id, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _error(request, status_error(status, "The server failed to answer; its log has the reason."))


def _error(request: Request, error: Error, headers: Mapping[str, str] | None = None) -> Response:
    record = record_of(request.scope)
    record.error = error.message
    body = msgspec.json.encode(ErrorBody(error, record.request_id))
    return Response(body, error.code, headers, "application/json")
