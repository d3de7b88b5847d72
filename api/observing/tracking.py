"""Keeps the record of each request, from its first byte to its last, under the id that it goes by."""

import logging
import re
import secrets
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .record import Observer, Record

HEADER = "X-Request-Id"

# What a client may call its request: nothing that could be mistaken for something else in a log or a header.
_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


class Tracking:
    """Middleware that keeps the record of each request, in its scope, and hands it to `observers` when it is over.

    The request's own `X-Request-Id` is its id, else a new one; the response has it in the same header.
    """

    def __init__(self, app: ASGIApp, observers: Sequence[Observer]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = scope.get("client")
        record = Record(
            _request_id(headers.get(HEADER)), scope["method"], scope["path"], client[0] if client else None, headers
        )
        # A scope of its own: where the application is mounted, the route in it is the outer application's.
        scope = {**scope, "scorert.record": record, "route": None}
        answered: float | None = None

        async def tracked(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = time.perf_counter()
                record.status = message["status"]
                MutableHeaders(raw=message["headers"])[HEADER] = record.request_id
            await send(message)

        try:
            await self._app(scope, receive, tracked)
        except Exception as error:
            record.error = f"{type(error).__name__}: {error}"
            logging.getLogger("scorert").error("Request %s failed", record.request_id, exc_info=error)
            if answered is None:
                raise
        finally:
            route = scope["route"]
            record.path = "" if route is None else route.path.rstrip("/") or "/"
            over = time.perf_counter()
            record.sending = 0.0 if answered is None else over - answered
            record.seconds = over - record.began - record.receiving - record.sending
            for observer in self._observers:
                observer(record)


def record_of(scope: Scope) -> Record:
    """The record of the request that a scope is of."""
    record: Record = scope["scorert.record"]
    return record


def _request_id(given: str | None) -> str:
    return given if given is not None and _ID.fullmatch(given) else secrets.token_hex(8)
