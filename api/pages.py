"""Serves browsers the page at `/`, the interactive documentation at `/docs`, and the files of both."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent / "static"

# Nothing comes from, or goes to, anywhere but this server, and nothing runs that is not one of its files. Images may be
# data: pictures that a user has chosen, and Swagger UI's icons.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI styles elements one by one.
_DOCS_POLICY = _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


def routes() -> list[Route]:
    """The routes of all of it. They need no key: nothing in the files is anybody's own."""
    files = StaticFiles(directory=_FOLDER)
    return [
        Route("/", _serve(files, _POLICY, "index.html")),
        Route("/docs", _serve(files, _DOCS_POLICY, "docs.html")),
        Route("/static/{path:path}", _serve(files, _POLICY)),
    ]


def _serve(files: StaticFiles, policy: str, name: str | None = None) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers with the file `name`, or with the one that the path asks for."""

    async def endpoint(request: Request) -> Response:
        response = await files.get_response(name or request.path_params["path"], request.scope)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        # Kept, and asked about by ETag each time: another version of the server has other files of the same names.
        response.headers["Cache-Control"] = "no-cache"
        return response

    return endpoint
