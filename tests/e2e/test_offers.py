"""Requests that offer to go on in another protocol are answered in this one, whatever they offer."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow

BODY = json.dumps({"queries": "a", "documents": ["b", "c"]}).encode()


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    with Server("--model", contract_artifacts["minilm-ce"]) as server:
        yield server


def head(*lines: str, body: bytes = BODY) -> bytes:
    own = ["POST /score HTTP/1.1", "Host: a", *lines, "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*own, "", ""]).encode()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)


def answer(connection: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of the next response of a connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    length = next(int(line.split(b":")[1]) for line in received.split(b"\r\n") if line.lower().startswith(b"content-l"))
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(received.split()[1]), json.loads(body)


OFFERS = [
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
    [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ],
    ["connection: keep-alive, upgrade", "uPGRADE:TLS/1.0, HTTP/2.0"],
    ["Connection: close, upgrade", "Upgrade: "],
]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer[-1])
@pytest.mark.parametrize("size", [1, 7, 10_000], ids="in pieces of {}".format)
def test_an_offer_is_passed_over(server: Server, offer: list[str], size: int) -> None:
    plain = server.client.post("/score", content=BODY).json()["data"]
    with connected(server) as connection:
        for _ in range(1 if "close" in offer[0] else 2):
            sent = head(*offer) + BODY
            for start in range(0, len(sent), size):
                connection.sendall(sent[start : start + size])
            status, content = answer(connection)
            assert (status, content["data"]) == (200, plain)


def test_headers_that_are_only_called_so_stay(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(head("X-Upgrade: h2c", "Upgrade-Insecure-Requests: 1", "X-Request-Id: Upgrade: me") + BODY)
        assert answer(connection)[0] == 200


def test_a_body_may_speak_of_it(server: Server) -> None:
    body = json.dumps({"queries": "\r\nUpgrade: h2c\r\n\r\n", "documents": "Upgrade: h2c"}).encode()
    body += b"\r\nUpgrade: h2c\r\n\r\n " * 3
    with connected(server) as connection:
        for cut in (3, len(body) - 20):
            connection.sendall(head("Connection: Upgrade", "Upgrade: h2c", body=body) + body[:cut])
            time.sleep(0.05)
            connection.sendall(body[cut:])
            status, content = answer(connection)
            assert (status, content["error"]["message"][:26]) == (400, "The body is not valid JSON")


@pytest.mark.parametrize("lines", [8, 20, 400])
def test_a_head_without_end_is_refused_in_an_answer_that_arrives(server: Server, lines: int) -> None:
    long = b"X-Long: " + b"a" * 8192 + b"\r\n"
    with connected(server) as connection:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\n")
        for _ in range(lines):
            connection.sendall(long)
        status, content = answer(connection)
        assert (status, content["error"]["type"]) == (431, "Request Header Fields Too Large")
        # Its end follows, whatever the client says yet.
        assert connection.recv(1) == b""
    assert server.client.post("/score", content=BODY).status_code == 200


def test_what_is_not_http_is_refused_in_an_answer_that_arrives(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n")
        connection.sendall(b"x" * 300_000)
        assert answer(connection)[0] == 400


def test_a_refused_client_that_stays_is_left(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert answer(connection)[0] == 400
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begun < 20:
                connection.sendall(b"x" * 1000)
                time.sleep(0.05)
        assert time.monotonic() - begun < 10


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_with_http2(server: Server) -> None:
    options = ["--http2", "-H", "Content-Type: application/json", "-d", BODY.decode()]
    done = subprocess.run(["curl", "-s", f"{server.url}/score", *options], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["data"]) == 2
