"""Several requests on one connection, sent without waiting: each is answered in turn, whatever comes after it."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.e2e.test_offers import answer, connected, head

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    # Without the cache a request of the same texts is work again.
    with Server("--model", contract_artifacts["minilm-bi"], "--embedding-cache-bytes", "0") as server:
        yield server


def asking(*documents: str) -> bytes:
    body = json.dumps({"queries": "a", "documents": documents}).encode()
    return head(body=body) + body


def ended(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_an_offer_of_another_protocol_is_passed_over_in_each(server: Server, size: int) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    sent = b""
    for number in range(1, 5):
        body = json.dumps({"queries": "a", "documents": ["b"] * number}).encode()
        sent += head(*offer[: 3 * (number % 2)], body=body) + body
    with connected(server) as connection:
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        assert [len(answer(connection)[1]["data"]) for _ in range(4)] == [1, 2, 3, 4]


@pytest.mark.parametrize("noise", [b"\0\1\2\r\n\r\n", b"NOT HTTP\r\n\r\n", head("Content-Length: x")])
def test_requests_before_something_unreadable_are_answered(server: Server, noise: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(asking("b") + asking("c", "d") + noise)
        counts = [len(answer(connection)[1]["data"]) for _ in range(2)]
        assert counts == [1, 2]
        assert ended(connection)
    assert server.stderr().count("Traceback") == 0


def test_something_unreadable_alone_is_refused_in_a_sentence(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"NOT HTTP\r\n\r\n")
        status, body = answer(connection)
        assert status == 400
        assert body["message"].startswith("The request is not valid HTTP/1.1")
        assert ended(connection)


def test_a_body_that_goes_wrong_is_refused(server: Server) -> None:
    with connected(server) as connection:
        lines = [b"POST /score HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", b"", b""]
        connection.sendall(b"\r\n".join(lines) + b"5\r\n{'que\r\nnonsense\r\n")
        assert answer(connection)[0] == 400
        assert ended(connection)
    assert server.stderr().count("Traceback") == 0


def test_a_client_that_leaves_takes_the_first_of_its_requests_with_it(server: Server) -> None:
    large = asking(*(f"{number} {'word ' * 100}" for number in range(400)))
    with connected(server) as connection:
        connection.sendall(large + asking("b"))
        until(lambda: queued(server) > 100)
    until(lambda: queued(server) == 0, seconds=3)
    assert server.stderr().count("Traceback") == 0


def queued(server: Server) -> float:
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("scorert_queue_sequences"))


def until(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
