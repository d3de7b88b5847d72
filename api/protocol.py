"""Reads HTTP/1.1, and passes over offers to go on in another protocol, as RFC 9110 (7.8) lets servers do.

httptools stops at the headers of a request with such an offer and would take it to have no body. Java's own client
makes one with every request, and `curl --http2`. h11 reads them, at 0.84 of the speed for requests that compute nothing
(docs/benchmarks/log.md, "Offers of another protocol").
"""

import re
from asyncio import Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = re.compile(rb"(?<=\r\n)upgrade:[^\r\n]*\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"

# A head that is longer is given to the parser as it comes.
_LONGEST = 2**16


class Protocol(HttpToolsProtocol):
    """A connection. A request's head is read to its end before the parser gets it."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self._head: bytes | None = b""
        """What there is of the next request's, or None while a body follows."""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            data = self._head + data
            end = data.find(_END)
            if end < 0 and len(data) < _LONGEST:
                self._head = data
                return
            self._head = b""
            end = len(data) if end < 0 else end + len(_END)
            data = _OFFER.sub(b"", data[:end]) + data[end:]
        super().data_received(data)

    def on_headers_complete(self) -> Any:
        self._head = None
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = b""
        super().on_message_complete()
