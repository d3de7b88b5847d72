"""Lets requests in that have a key the server was given."""

from collections.abc import Callable, Collection
from secrets import compare_digest

from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH_PATHS = ("/health", "/ping", "/infinity/health", "/.well-known/ready", "/.well-known/live")
OPEN_PATHS = (*HEALTH_PATHS, "/", "/docs", "/openapi.json", "/static/*")
"""What anybody may GET where keys are needed: nothing in it is the models' or their users'."""

_POSTED = "/ping"
"""What anybody may POST to: SageMaker asks so, too."""

_MISSING = "This server needs an API key: send it as `Authorization: Bearer KEY`, or as `Api-Key: KEY`."
_WRONG = "The API key is not one of this server's: check the KEY in `Authorization: Bearer KEY`, or in `Api-Key: KEY`."


class Keys:
    """ASGI middleware that lets requests with one of `keys` through, and GET and HEAD to `open_paths`.

    An open path may have a slash at its end, and one in `/*` stands for every path below it. `refuse` makes the
    application that answers the others, of the sentence that their client reads. Keys are ASCII; none gets into a
    sentence.
    """

    def __init__(
        self, app: ASGIApp, keys: Collection[str], open_paths: Collection[str], refuse: Callable[[str], ASGIApp]
    ) -> None:
        self._app = app
        self._keys = [key.encode("ascii") for key in keys]
        self._open = frozenset(path for path in open_paths if not path.endswith("/*"))
        self._below = tuple(path.removesuffix("*") for path in open_paths if path.endswith("/*"))
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] != "lifespan" and not self._is_open(scope):
            key = _key(scope)
            if key is None:
                app = self._refuse(_MISSING)
            elif not self._knows(key):
                app = self._refuse(_WRONG)
        await app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        # Where the application is mounted, that is the front of its paths.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = scope.get("method")
        if method == "POST":
            return bool(path.removesuffix("/") == _POSTED)
        return method in ("GET", "HEAD") and (
            path in self._open or path.removesuffix("/") in self._open or path.startswith(self._below)
        )

    def _knows(self, key: bytes) -> bool:
        # Every comparison is made, each in constant time, so that how long it takes tells nothing about the keys.
        found = [compare_digest(key, known) for known in self._keys]
        return any(found)


def _key(scope: Scope) -> bytes | None:
    """The request's key. Pinecone's clients and Azure's have a header of its own for it."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"bearer" and key.strip():
                return bytes(key.strip())
        elif name == b"api-key" and value.strip():
            found = bytes(value.strip())
    return found
