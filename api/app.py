"""The ASGI application: paths, and what becomes of requests on them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from engine import ScoreRTError

from .errors import Error, ErrorBody, InvalidRequest, RequestError, client_error, status_error
from .ids import permission_id
from .models import Models
from .rerank import rerank
from .schemas import Model, ModelList, Permission
from .score import score

# Requests that wait for the engine at once, a sleeping thread each; the engine's own workers bound the computing. It
# is well above what fills a GPU's micro-batches with requests of one pair.
_MAX_WAITING = 256

Answer = Callable[[Models, bytes], msgspec.Struct]


def create_app(models: Models) -> Starlette:
    """The application that serves `models`, and closes them when it shuts down."""
    waiting = CapacityLimiter(_MAX_WAITING)

    def scoring(answer: Answer) -> Callable[[Request], object]:
        async def endpoint(request: Request) -> Response:
            _require_json(request.headers.get("content-type"))
            body = await request.body()
            # Decoding and encoding go to the thread too: a large body must not hold up the event loop.
            return await to_thread.run_sync(lambda: _json(answer(models, body)), limiter=waiting)

        return endpoint

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        models.close()

    async def list_models(request: Request) -> Response:
        return _json(_model_list(models))

    routes = [
        Route("/health", _health),
        Route("/v1/models", list_models),
        *(Route(path, scoring(score), methods=["POST"]) for path in ("/score", "/v1/score")),
        *(Route(path, scoring(rerank), methods=["POST"]) for path in ("/rerank", "/v1/rerank", "/v2/rerank")),
    ]
    handlers = {
        RequestError: _refuse,
        ScoreRTError: _refuse,
        HTTPException: _refuse_path,
        ClientDisconnect: _abandon,
        Exception: _fail,
    }
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)


def _model_list(models: Models) -> ModelList:
    data = []
    for name, engine in models:
        manifest = engine.manifest
        data.append(
            Model(
                id=name,
                created=manifest.created,
                root=manifest.name,
                max_model_len=manifest.max_length,
                permission=[Permission(id=permission_id(), created=manifest.created)],
            )
        )
    return ModelList(data=data)


async def _health(request: Request) -> Response:
    return Response()


def _require_json(content_type: str | None) -> None:
    """Raises `InvalidRequest` for another media type; without one the body is taken for JSON."""
    if content_type and content_type.split(";", 1)[0].strip().lower() != "application/json":
        raise InvalidRequest(f"The content-type must be application/json, not {content_type}.", None)


def _json(body: msgspec.Struct, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError | ScoreRTError)
    refusal = client_error(error)
    if refusal is None:
        raise error
    return _error(refusal)


async def _refuse_path(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    messages = {
        HTTPStatus.NOT_FOUND: f"The path {path} does not exist.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"The path {path} does not take {method}, only {_allowed(error)}.",
    }
    status = HTTPStatus(error.status_code)
    return _error(status_error(status, messages.get(status, error.detail)), dict(error.headers or {}))


def _allowed(error: HTTPException) -> str:
    return " or ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))


async def _abandon(request: Request, error: Exception) -> Response:
    """The client left while it was sending, so nobody reads this."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _fail(request: Request, error: Exception) -> Response:
    """Starlette raises the exception again once this is sent, and uvicorn logs its traceback."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _error(status_error(status, "The server failed to answer; its log has the reason."))


def _error(error: Error, headers: dict[str, str] | None = None) -> Response:
    return _json(ErrorBody(error), error.code, headers)
