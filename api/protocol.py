"""Reads HTTP/1.1, in bounded time, and passes over offers to go on in another protocol, as RFC 9110 (7.8) lets servers.

httptools stops at the headers of a request with such an offer and would take it to have no body. Java's own client
makes one with every request, and `curl --http2`. h11 reads them, at 0.84 of the speed for requests that compute nothing
(docs/benchmarks/log.md, "Offers of another protocol").
"""

import re
from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .connections import Connections
from .errors import ErrorBody, status_error

_OFFER = re.compile(rb"(?<=\r\n)upgrade:[^\r\n]*\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"

# The bytes of a head, as h11 bounds it.
_LONGEST = 2**16
# Seconds that a client has for the rest of what it sends, and for reading why it is refused: a choice.
_LINGER = 2.0


class Config(uvicorn.Config):
    """uvicorn's, with the bounds of connections."""

    def __init__(self, app: ASGIApp, connections: Connections, **options: Any) -> None:
        super().__init__(app, http=Protocol, **options)
        self.connections = connections


class Protocol(HttpToolsProtocol):
    """A connection. A request's head is read to its end before the parser gets it.

    A head has `Connections.head_timeout` from its first byte on, and so has what is still to come of a request that is
    answered already. A client that takes nothing of its answer is left as soon as one that sends nothing.
    """

    config: Config

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self._head: bytes | None = b""
        """What there is of the next request's, or None while a body follows."""
        self._body: int | None = None
        """The bytes of the body that are still to come; None for one in chunks, whose end the parser finds."""
        self._parsing = False
        """Whether the parser has the beginning of a head, which came with the end of a body in chunks."""
        self._late_timer: TimerHandle | None = None
        self._untaken_timer: TimerHandle | None = None
        self._lingering: TimerHandle | None = None
        """Until it is closed. What comes meanwhile is thrown away."""
        self._bounds = self.config.connections
        self._answered: RequestResponseCycle | None = None
        super().connection_made(transport)
        self._bounds.wait(self)
        if self._bounds.admit(self, len(self.connections), self.loop):
            self._keep_alive()
        else:
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it may have: try again in 1 s."
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._abandon()
        self._bounds.work(self)
        self._in_time()
        self._unwatch()
        if self._lingering is not None:
            self._lingering.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and self._lingering is None and not self.transport.is_closing():
            data = self._receive(data)

    def _receive(self, data: bytes) -> bytes:
        """Hand on a head, or what there is of a body: one follows another where requests are sent without waiting.

        Returns what is left.
        """
        if self._head is None:
            end = len(data) if self._body is None else min(self._body, len(data))
            if self._body is not None:
                self._body -= end
            some = data[:end]
        else:
            data = self._head + data
            found = data.find(_END)
            if found < 0 or found > _LONGEST:
                self._receive_head(data)
                return b""
            self._head = b""
            end = found + len(_END)
            some = _OFFER.sub(b"", data[:end])
        super().data_received(some)
        if self._parsing:
            self._hurry()
        return data[end:]

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_headers_complete(self) -> Any:
        self._head = None
        self._body = _length(self.headers)
        self._parsing = False
        self._in_time()
        self._bounds.work(self)
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = b""
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.unread:
            self._watch_taking()
        if self.timeout_keep_alive_task is not None:
            self._bounds.wait(self)
            if self._head is None:
                self._hurry()

    def pause_writing(self) -> None:
        """The rest of an answer waits for the client, which is watched anew: what waits has grown."""
        super().pause_writing()
        self._watch_anew()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch_anew()

    @property
    def begun(self) -> bool:
        """Whether a part of a head is there."""
        return self._parsing or bool(self._head)

    @property
    def unread(self) -> bool:
        """Whether the client has still to take a part of an answer."""
        return self.transport.get_write_buffer_size() > 0

    def make_room(self) -> None:
        """Close it for another: it has no request."""
        self._bounds.work(self)
        self.transport.abort()

    def _receive_head(self, head: bytes) -> None:
        if len(head) > _LONGEST:
            self._bounds.tell(f"closed: the head of a request was longer than {_LONGEST:,} bytes", self.loop)
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request's head is longer than {_LONGEST:,} bytes: send fewer or shorter headers.",
            )
            return
        self._head = head
        self._unset_keepalive_if_required()
        self._hurry()

    def _hurry(self) -> None:
        """Close the connection unless the request's head, or the rest of its body, comes in time."""
        if self._late_timer is None:
            self._late_timer = self.loop.call_later(self._bounds.head_timeout, self._late)

    def _in_time(self) -> None:
        if self._late_timer is not None:
            self._late_timer.cancel()
            self._late_timer = None

    def _late(self) -> None:
        self._late_timer = None
        if self.transport.is_closing():
            return
        seconds = f"{self._bounds.head_timeout:g} s (--head-timeout)"
        self._bounds.tell(f"closed: a request was not sent to its end within {seconds}", self.loop)
        if self.cycle is not None and not self.cycle.response_complete:
            # Another request is being answered: its answer is the last of the connection.
            self.cycle.keep_alive = False
        elif self._head is None:
            self.transport.close()
        else:
            sentence = f"The request's head did not arrive within {self._bounds.head_timeout:g} s: send it faster."
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, sentence)

    def _keep_alive(self) -> None:
        """Wait for a request as long as after one."""
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _watch_taking(self) -> None:
        """Leave the client where it takes nothing of its answer for as long as idle connections are kept."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            self._untaken_timer = None
            now = self.transport.get_write_buffer_size()
            if now >= left:
                self._bounds.tell(f"closed: nothing of an answer was taken for {self.timeout_keep_alive} s", self.loop)
                self.transport.abort()
            elif now:
                self._watch_taking()

        if self._untaken_timer is None:
            self._untaken_timer = self.loop.call_later(self.timeout_keep_alive, look)

    def _watch_anew(self) -> None:
        self._unwatch()
        if self.unread:
            self._watch_taking()

    def _unwatch(self) -> None:
        if self._untaken_timer is not None:
            self._untaken_timer.cancel()
            self._untaken_timer = None

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer what is no whole request, and close."""
        body = msgspec.json.encode(ErrorBody(status_error(status, sentence), sentence, sentence, ""))
        headers = [b"content-type: application/json", b"connection: close", b"content-length: %d" % len(body)]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(b"retry-after: 1")
        self.transport.write(STATUS_LINE[status] + b"\r\n".join([*headers, b"", body]))
        if status == HTTPStatus.SERVICE_UNAVAILABLE or not self.transport.can_write_eof():
            self.transport.close()
            return
        # To close a socket that has more to read resets the connection, and the client may lose the answer.
        self.transport.write_eof()
        self._in_time()
        self._unset_keepalive_if_required()
        self._lingering = self.loop.call_later(_LINGER, self.transport.close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, after the answers to what came before it."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            return
        self._refuse(
            HTTPStatus.BAD_REQUEST, "The request is not valid HTTP/1.1: check its first line, headers and lengths."
        )
        self._abandon()

    def eof_received(self) -> None:
        self._abandon()

    def _abandon(self) -> None:
        """Have the request that is being answered know that nothing can be sent any more.

        uvicorn tells the last that was read alone, and later than a transport that closes refuses to be written to.
        """
        cycle = self._answered
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """The bytes of a request's body, or None where it comes in chunks. The parser has checked both headers."""
    found = dict(headers)
    return None if b"transfer-encoding" in found else int(found.get(b"content-length", 0))
