"""A server that is told to end does so in bounded time, whatever its clients and its work do."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.e2e.test_connections import HALF, connected
from tests.e2e.test_limits import gauges, until

SECONDS = 1.0
# The bound, the time after it that work has to notice, and what a busy machine may take besides.
MOST = SECONDS + 2 + 4


def request(path: str, body: Any) -> bytes:
    content = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def reads_nothing(server: Server, connection: socket.socket) -> None:
    """Asks for some megabytes, and takes none of them."""
    texts = [f"text {number}" for number in range(2000)]
    connection.sendall(request("/v1/embeddings", {"model": "minilm-bi", "input": texts}))
    until(
        lambda: 'route="/v1/embeddings",status="200"' in server.client.get("/metrics").text or _in_flight(server) == 0
    )


def stalls(server: Server, connection: socket.socket) -> None:
    """Sends half of its body."""
    connection.sendall(request("/score", {"queries": "a", "documents": "b"})[:-5])
    until(lambda: _in_flight(server) == 1)


def makes_work(server: Server, connection: socket.socket) -> None:
    """Asks for a minute of work."""
    documents = [f"{number} " + "word " * 250 for number in range(3000)]
    connection.sendall(request("/rerank", {"query": "a", "documents": documents}))
    until(lambda: gauges(server)["scorert_queue_sequences"] > 100)


def idles(server: Server, connection: socket.socket) -> None:
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def half_a_head(server: Server, connection: socket.socket) -> None:
    connection.sendall(HALF)
    time.sleep(0.2)


def _in_flight(server: Server) -> float:
    return gauges(server)["scorert_requests_in_flight"]


@pytest.mark.parametrize("client", [reads_nothing, stalls, makes_work, idles, half_a_head])
def test_whatever_clients_do_it_ends_in_time(artifacts: Callable[[str], Path], client: Any) -> None:
    with Server("--model", artifacts("minilm-bi"), "--threads", "1", "--shutdown-timeout", SECONDS) as server:
        with connected(server) as connection:
            client(server, connection)
            begun = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - begun
        assert took < MOST
        if client in (idles, half_a_head):
            assert server.stderr() == ""
        else:
            assert took > SECONDS / 2, "it was given its time"
            assert "1 connection was cut off after 1 s (--shutdown-timeout)" in server.stderr()
        assert "Traceback" not in server.stderr()
