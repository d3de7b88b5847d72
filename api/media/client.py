"""Makes the HTTP client that images are fetched with, and that brings nothing of the process or of past fetches."""

import ssl
from collections.abc import Iterator

import httpcore
import httpx

from engine import __version__

_CONNECTED = "connection.connect_tcp.complete"
"""What httpcore calls the event that a request got a connection of its own."""

_HEADERS = {"User-Agent": f"ScoreRT/{__version__}", "Accept": "image/*", "Accept-Encoding": "identity"}


def make_client(
    network: httpcore.NetworkBackend, connections: int, timeout: float, tls: ssl.SSLContext | None
) -> httpx.Client:
    """A client that keeps up to so many connections of `network` for a while. `tls` is None for the usual authorities.

    It uses no proxy, password or certificate of the environment, follows no redirect and keeps no cookie. httpx logs
    URLs, so give paths and queries in the extension `target`: what is logged is the host.
    """
    pool = httpcore.ConnectionPool(
        ssl_context=tls or httpx.create_ssl_context(trust_env=False),
        max_connections=connections,
        keepalive_expiry=5.0,
        network_backend=network,
    )
    return httpx.Client(
        transport=_Transport(pool), headers=_HEADERS, timeout=timeout, trust_env=False, follow_redirects=False
    )


class _Transport(httpx.BaseTransport):
    """httpx's own transport takes no network."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = self._answered(request, url)
        # The client would keep cookies, and send one requester's to the host with the next one's.
        headers = [(name, value) for name, value in response.headers if name.lower() != b"set-cookie"]
        return httpx.Response(
            response.status, headers=headers, stream=_Body(response), extensions=dict(response.extensions)
        )

    def _answered(self, request: httpx.Request, url: httpcore.URL) -> httpcore.Response:
        """The answer of a new connection, or of a kept one that its host has not closed meanwhile.

        A request that only reads may be sent again where that turns out after it was sent (RFC 9110, 9.2.2).
        """
        while True:
            events: list[str] = []
            extensions = dict(request.extensions) | {"trace": lambda event, _, events=events: events.append(event)}
            sent = httpcore.Request(request.method, url, headers=request.headers.raw, extensions=extensions)
            try:
                return self._pool.handle_request(sent)
            except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
                if _CONNECTED in events:
                    raise

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()
