"""Connections that send no whole request do not keep the server from others, however they put it off."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, run_to_exit
from tests.e2e.test_limits import until
from tests.e2e.test_unix_socket import served

HALF = b"POST /score HTTP/1.1\r\nHost: a\r\n"
WHOLE = HALF + b"Content-Length: 34\r\n\r\n" + b'{"queries": "a", "documents": "b"}'
SECONDS = 1.0


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    with Server("--model", contract_artifacts["minilm-ce"], "--threads", "1", "--head-timeout", SECONDS) as server:
        yield server


def connected(server: Server, timeout: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=timeout)


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answer(connection: socket.socket) -> bytes:
    """The next response's status line."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(1)
    length = next(int(line.split(b":")[1]) for line in found.split(b"\r\n") if line.startswith(b"content-length:"))
    while length:
        part = connection.recv(length)
        assert part, f"{length:,} bytes are missing"
        length -= len(part)
    return found.split(b"\r\n")[0]


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["first", "after another"])
def test_half_a_head_has_its_time(server: Server, before: bytes) -> None:
    with connected(server) as connection:
        if before:
            connection.sendall(before)
            assert answer(connection) == b"HTTP/1.1 200 OK"
        connection.sendall(HALF)
        begun = time.monotonic()
        last = received(connection)
        assert SECONDS / 2 < time.monotonic() - begun < SECONDS + 5
    assert last.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"head did not arrive within 1 s: send it faster." in last
    until(lambda: "closed: a request was not sent to its end within 1 s (--head-timeout)" in server.stderr())


@pytest.mark.parametrize(
    "begin",
    [
        HALF,
        b"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["head", "body of an answered request", "chunks of an answered request"],
)
def test_a_trickle_buys_no_time(server: Server, begin: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(begin)
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < begun + 15:
                connection.sendall(b"1")
                time.sleep(0.05)
        assert SECONDS / 2 < time.monotonic() - begun < 15


def test_a_body_that_trickles_ends_with_its_refusal(contract_artifacts: dict[str, Path]) -> None:
    with (
        Server("--model", contract_artifacts["minilm-ce"], "--timeout", SECONDS) as server,
        connected(server) as connection,
    ):
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 408 ")


def test_half_a_head_behind_a_request_does_not_cost_its_answer(server: Server) -> None:
    body = b'{"queries": "a", "documents": [%s]}' % b",".join([b'"%s"' % (b"word " * 400)] * 12)
    with connected(server) as connection:
        connection.sendall(HALF + b"Content-Length: %d\r\n\r\n" % len(body) + body + HALF)
        assert received(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_head_too_long_is_refused(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(HALF)
        last = b""
        try:
            for _ in range(200):
                connection.sendall(b"X-Long: " + b"a" * 8192 + b"\r\n")
            last = received(connection)
        except ConnectionError:
            pass
        assert last == b"" or last.startswith(b"HTTP/1.1 431 ")
    until(lambda: "longer than 65,536 bytes" in server.stderr())


def test_others_are_answered_while_300_half_heads_hang(contract_artifacts: dict[str, Path]) -> None:
    """They are more than the descriptors that the process may have."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        try:
            server = held.enter_context(Server("--model", contract_artifacts["minilm-ce"], "--threads", "1"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        halves = [held.enter_context(connected(server)) for _ in range(300)]
        for half in halves:
            try:
                half.sendall(HALF)
            except ConnectionError:
                continue
        for _ in range(20):
            assert httpx.get(f"{server.url}/health", timeout=10).status_code == 200
            answered = httpx.post(f"{server.url}/score", json={"queries": "a", "documents": "b"}, timeout=10)
            assert answered.status_code == 200
        until(lambda: "closed without a request to make room: 192 may be open (--max-connections)" in server.stderr())
        assert "Too many open files" not in server.stderr()


def test_where_all_connections_have_requests_others_are_told(contract_artifacts: dict[str, Path]) -> None:
    with Server("--model", contract_artifacts["minilm-ce"], "--max-connections", "3") as server, ExitStack() as held:
        server.client.close()
        for _ in range(3):
            held.enter_context(connected(server)).sendall(WHOLE[:-5])
        time.sleep(0.5)
        with connected(server) as connection:
            refused = received(connection)
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1\r\n" in refused
        until(lambda: "refused, since 3 are open" in server.stderr())


def test_more_connections_than_descriptors_are_refused_at_the_start() -> None:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ended = run_to_exit("--port", "0", "--max-connections", str(most))
    assert ended.returncode == 2
    assert f"--max-connections is {most:,} and this process may have {most:,} descriptors" in ended.stderr


def test_an_answer_that_is_still_read_is_not_cut_off_to_make_room(
    contract_artifacts: dict[str, Path], tmp_path: Path
) -> None:
    """It is sent in one part, and a Unix socket holds a quarter of that."""
    body = b'{"input": [%s]}' % b",".join([b'"text"'] * 100)
    whole = b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    path = tmp_path / "s"
    with served(contract_artifacts["minilm-bi"], path, "--max-connections", "2"), ExitStack() as held:

        def connection(request: bytes) -> socket.socket:
            own = held.enter_context(socket.socket(socket.AF_UNIX))
            own.settimeout(30)
            own.connect(str(path))
            own.sendall(request)
            return own

        reader = connection(whole)
        assert reader.recv(12, socket.MSG_WAITALL | socket.MSG_PEEK) == b"HTTP/1.1 200"
        for _ in range(3):
            assert answer(connection(health)) == b"HTTP/1.1 200 OK"
        assert answer(reader) == b"HTTP/1.1 200 OK"
        # Once it has its answer, it goes.
        for _ in range(2):
            assert answer(connection(health)) == b"HTTP/1.1 200 OK"
        assert reader.recv(1) == b""
