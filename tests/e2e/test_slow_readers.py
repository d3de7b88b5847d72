"""Clients that hardly read their answers cost others nothing, and hold no more than their answers."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow

READERS = 64
PAUSE = 0.4
# About 2 MB as JSON.
BODY = json.dumps({"model": "minilm-bi", "input": [f"text {number}" for number in range(250)]}).encode()
SMALL = {"model": "minilm-bi", "queries": "a", "documents": ["b"]}


# About 8 MB, more than lies between two sockets.
LARGE = json.dumps({"model": "minilm-bi", "input": ["text"] * 1000}).encode()


def slow_reader(server: Server, body: bytes = BODY) -> socket.socket:
    """Asks for a large answer, and reads its first bytes."""
    connection = socket.socket()
    # So that little of the answer is on its way.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    connection.sendall(head.encode() + b"\r\n\r\n" + body)
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_64_slow_readers(contract_artifacts: dict[str, Path]) -> None:
    with Server("--model", contract_artifacts["minilm-bi"]) as server, ExitStack() as readers:
        first = readers.enter_context(slow_reader(server))
        before = server.resident_bytes()
        others = [readers.enter_context(slow_reader(server)) for _ in range(READERS - 1)]
        begun = time.perf_counter()
        for _ in range(20):
            assert server.client.post("/score", json=SMALL).status_code == 200
            for reader in others[::8]:
                assert reader.recv(64)
        assert time.perf_counter() - begun < 20
        assert server.resident_bytes() - before < 2 * READERS * 3e6
        # Whoever reads on has all of it.
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += first.recv(1)
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = b""
        while len(body) < length:
            body += first.recv(2**16)
        assert len(json.loads(body)["data"]) == 250
        readers.close()
        assert server.client.post("/score", json=SMALL).status_code == 200
        assert server.stop() == 0
        assert server.stderr() == ""


def test_what_clients_take_is_logged_apart_from_the_servers_work(contract_artifacts: dict[str, Path]) -> None:
    options = ("--log-format", "json", "--log-level", "info", "--threads", "1")
    with Server("--model", contract_artifacts["minilm-bi"], *options) as server:
        server.client.post("/v1/embeddings", content=LARGE)
        with slow_reader(server, LARGE):
            time.sleep(PAUSE)
        small = json.dumps(SMALL).encode()

        def slowly() -> Iterator[bytes]:
            yield small[:10]
            time.sleep(PAUSE)
            yield small[10:]

        server.client.post("/score", content=slowly())
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.stderr().splitlines()]
    quick, read, sent = [line for line in lines if line.get("method") == "POST"]
    assert read["send_ms"] >= 1000 * PAUSE > sent["work_ms"]
    assert read["total_ms"] >= 1000 * PAUSE + read["work_ms"]
    assert sent["receive_ms"] >= 1000 * PAUSE > quick["receive_ms"]
