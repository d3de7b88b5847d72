"""Nothing that arrives on a connection breaks the server: it answers, and scores afterwards as it did before.

`pytest tests/e2e/test_fuzz.py --fuzz-minutes 20` goes on for that long. What breaks something is put into
`fuzzing.json` once it is mended.
"""

import contextlib
import http.client
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.e2e import fuzzing
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

PROBE = {"model": "minilm-ce", "queries": "what is it", "documents": ["a cat", "nothing"]}
_TIMEOUT = 2
"""Seconds after which the server gives up on a body."""
_PATIENCE = 20.0
"""Seconds within which a whole head is answered, on a machine that does other things too."""


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path], multimodal: Callable[..., tuple[Path, Path]]) -> Iterator[Server]:
    _, reader = multimodal("jina-m0", "--prompts", "vllm")
    limits = ["--timeout", str(_TIMEOUT), "--max-body-bytes", "100000", "--max-documents", "50"]
    with Server("--model", *contract_artifacts.values(), reader, *limits, "--threads", "1") as server:
        yield server


def scores(server: Server) -> list[float]:
    response = server.client.post("/score", json=PROBE)
    assert response.status_code == 200, response.text
    return [item["score"] for item in response.json()["data"]]


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=_PATIENCE)


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def refuse_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def check_answer(connection: socket.socket, sent: bytes) -> None:
    """Read one answer, and have it be one. None may come for a head that never ends."""
    response = http.client.HTTPResponse(connection, method="HEAD" if sent.startswith(b"HEAD ") else "POST")
    whole = b"\r\n\r\n" in sent
    with contextlib.nullcontext() if whole else contextlib.suppress(OSError, http.client.HTTPException):
        response.begin()
        body = response.read()
    if not whole:
        return
    assert response.status != 500, (sent, body)
    if body and response.headers.get_content_type() == "application/json":
        content = json.loads(body, parse_constant=refuse_constant)
        if response.status >= 400:
            assert isinstance(content, dict), (sent, body)
            assert "Traceback" not in str(content), (sent, body)
            assert len(str(content.get("message") or content.get("error"))) > 5, (sent, body)


class Clients(RuleBasedStateMachine):
    """Some connections at a time, on each of which anything may be sent, in any pieces, to any end."""

    server: Server
    wanted: list[float]

    def __init__(self) -> None:
        super().__init__()
        self.open: list[socket.socket] = []

    @rule(request=fuzzing.requests(), pieces=st.integers(1, 4))
    def ask(self, request: bytes, pieces: int) -> None:
        with connected(self.server) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            size = len(request) // pieces + 1
            for start in range(0, len(request), size):
                connection.sendall(request[start : start + size])
            check_answer(connection, request)

    @rule(requests=st.lists(fuzzing.requests(), min_size=2, max_size=4))
    def ask_several_at_once_without_waiting(self, requests: list[bytes]) -> None:
        self.open.append(connected(self.server))
        with contextlib.suppress(ConnectionError):
            self.open[-1].sendall(b"".join(requests))

    @rule(request=fuzzing.requests(), share=st.floats(0, 1))
    def begin(self, request: bytes, share: float) -> None:
        self.open.append(connected(self.server))
        self.open[-1].sendall(request[: int(len(request) * share)])

    @rule(noise=st.binary(min_size=1, max_size=300))
    def send_noise(self, noise: bytes) -> None:
        self.open.append(connected(self.server))
        with contextlib.suppress(ConnectionError):
            self.open[-1].sendall(noise)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), more=fuzzing.requests())
    def go_on(self, data: st.DataObject, more: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            data.draw(st.sampled_from(self.open)).sendall(more)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), how=st.sampled_from(["close", "reset", "half"]))
    def leave(self, data: st.DataObject, how: str) -> None:
        connection = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if how == "half":
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        elif how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def teardown(self) -> None:
        for connection in self.open:
            connection.close()
        assert self.server.process.poll() is None
        assert scores(self.server) == self.wanted


def test_whatever_arrives_the_server_goes_on(server: Server, request: pytest.FixtureRequest) -> None:
    Clients.server, Clients.wanted = server, scores(server)
    before = descriptors(server), server.resident_bytes()
    minutes = request.config.getoption("--fuzz-minutes")
    until = time.monotonic() + 60 * minutes
    rounds = settings(
        max_examples=40,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Clients, settings=rounds)
    while time.monotonic() < until:
        run_state_machine_as_test(Clients, settings=rounds)
    assert nothing_is_left(server, before[0])
    assert server.resident_bytes() < before[1] + 300e6
    assert "Traceback" not in server.stderr(), server.stderr()


def nothing_is_left(server: Server, descriptors_before: int) -> bool:
    """Once the server has given up on what was begun, no connection and no request of it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        busy = "scorert_requests_in_flight 0.0" not in server.client.get("/metrics").text
        if not busy and descriptors(server) <= descriptors_before + 2:
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("seed", fuzzing.seeds(), ids=lambda seed: f"{seed[0]}-{len(seed[1])}")
def test_every_seed_is_answered_or_refused(server: Server, seed: tuple[str, bytes]) -> None:
    path, body = seed
    response = server.client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code != 500, response.text
