"""What a server process refuses, and that nothing of it is left behind."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.server import Server

SMALL = {"queries": "a", "documents": "b"}
# A few seconds of work: 400 different documents of about 100 tokens.
LARGE = {"query": "a", "documents": [f"{number} {'word ' * 100}" for number in range(400)]}
LIMITS: dict[str, str | int] = {
    "--max-body-bytes": 5_000_000,
    "--max-documents": 2000,
    "--max-request-tokens": 50_000,
    "--max-queued-tokens": 50_000,
    "--max-concurrent-requests": 16,
    "--timeout": 120,
    # So that a large request is work each time.
    "--embedding-cache-bytes": 0,
}


@pytest.fixture(scope="module")
def artifact(contract_artifacts: dict[str, Path]) -> Path:
    return contract_artifacts["minilm-bi"]


@pytest.fixture(scope="module")
def server(artifact: Path) -> Iterator[Server]:
    arguments = [str(part) for flag in LIMITS.items() for part in flag]
    with Server("--model", artifact, *arguments) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left(server: Server) -> Iterator[None]:
    """After each test the queue is empty and nobody is being answered."""
    yield
    until(lambda: gauges(server)["scorert_requests_in_flight"] == 0)
    assert gauges(server)["scorert_queue_tokens"] == gauges(server)["scorert_queue_sequences"] == 0


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gauges(server: Server) -> dict[str, float]:
    """The metrics whose samples have one model's label, or none."""
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    assert error["code"] == status
    assert error["message"].endswith(".")
    assert "Traceback" not in response.text
    return error


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """While a large request waits and runs; its client leaves in the end."""
    body = json.dumps(LARGE).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: gauges(server)["scorert_queue_sequences"] > 100)
        yield


def test_a_body_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = "POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000001\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_no_declared_length_is_counted(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"query": "'
        for _ in range(60):
            yield b"a" * 100_000

    error = refusal(server.client.post("/rerank", content=chunks()), 413)
    assert (
        error["message"]
        == "The body is larger than 5,000,000 bytes: send fewer or shorter texts, or smaller pictures, at a time."
    )
    assert error["param"] == "body"


def test_a_body_too_large_leaves_the_connection_usable(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for _ in range(3):
            refusal(client.post("/rerank", content=b"a" * 6_000_000), 413)
            assert client.post("/score", json=SMALL).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "parameter"),
    [
        ("/rerank", {"query": "a", "documents": ["b"] * 2001}, "documents"),
        ("/score", {"queries": ["a"] * 2001, "documents": ["b"] * 2001}, "documents"),
        ("/v1/embeddings", {"input": ["b"] * 2001}, "input"),
        ("/pooling", {"input": [[101, 102]] * 2001}, "input"),
    ],
)
def test_documents_of_a_request(server: Server, path: str, body: dict[str, Any], parameter: str) -> None:
    error = refusal(server.client.post(path, json=body), 400)
    assert error["param"] == f"body.{parameter}"
    assert "2,001" in error["message"]
    assert "2,000" in error["message"]


def test_tokens_of_a_request(server: Server) -> None:
    body = {"query": "a", "documents": [f"{number} {'word ' * 200}" for number in range(300)]}
    error = refusal(server.client.post("/rerank", json=body), 400)
    assert "more than the 50,000 that one may have" in error["message"]


def test_a_full_queue_says_when_to_come_back(server: Server) -> None:
    with busy(server):
        refused = server.client.post("/rerank", json=LARGE)
        # At once, while what made it wait still does.
        assert gauges(server)["scorert_queue_sequences"] > 0
    assert "try again in" in refusal(refused, 503)["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_a_small_request_fits_beside_a_large_one(server: Server) -> None:
    with busy(server):
        assert server.client.post("/score", json=SMALL | {"priority": -1}).status_code == 200
        assert gauges(server)["scorert_queue_sequences"] > 0


def test_a_client_that_leaves_takes_its_work_with_it(server: Server) -> None:
    before = gauges(server)["scorert_tokens_total"]
    with busy(server):
        pass
    until(lambda: gauges(server)["scorert_queue_sequences"] == 0)
    assert gauges(server)["scorert_tokens_total"] - before < 30_000
    until(lambda: 'route="/rerank",status="499"' in server.client.get("/metrics").text)


def test_a_deadline(artifact: Path) -> None:
    with Server("--model", artifact, "--timeout", "0.5") as server:
        begun = time.perf_counter()
        error = refusal(server.client.post("/rerank", json=LARGE), 504)
        assert time.perf_counter() - begun < 5
        assert error["message"].startswith("The answer took longer than 0.5 s: send fewer texts or pictures")
        assert gauges(server)["scorert_queue_sequences"] == 0
        assert server.client.post("/score", json=SMALL).status_code == 200
        # A body that does not come in time.
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_requests_at_once(server: Server) -> None:
    crowd = threading.Barrier(40)

    def ask(number: int) -> httpx.Response:
        crowd.wait()
        return httpx.post(f"{server.url}/score", json=SMALL | {"priority": 1}, timeout=60)

    with ThreadPoolExecutor(40) as executor:
        with busy(server):
            answers = executor.map(ask, range(40))
            # The large one goes first, so 15 get in beside it.
            until(lambda: 'method="POST",route="/score",status="503"} 25.0' in server.client.get("/metrics").text)
            assert gauges(server)["scorert_requests_in_flight"] == 16
            assert server.client.get("/health").status_code == 200
        refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 25
    for answer in refused:
        assert "16 requests" in refusal(answer, 503)["message"]
        assert answer.headers["retry-after"] == "1"


def test_a_request_keeps_its_own_id(server: Server) -> None:
    for path in ("/score", "/nope"):
        response = server.client.post(path, json=SMALL, headers={"X-Request-Id": "my-request.1"})
        assert response.headers["x-request-id"] == "my-request.1"
    forged = server.client.post("/score", json=SMALL, headers={"X-Request-Id": "a b\tc"})
    assert forged.headers["x-request-id"] != "a b\tc"
    assert len(forged.headers["x-request-id"]) == 16
    assert server.client.post("/score", json=SMALL, headers={"X-Request-Id": "x" * 129}).headers["x-request-id"] < "y"


@pytest.fixture(scope="module")
def guarded(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("# first\nsk-one\nsk-two\n")
    arguments = ["--model", str(artifact), "--api-key-file", str(keys), "--allow-origin", "https://shop.example"]
    with Server(*arguments, environment={"SCORERT_API_KEY": "sk-three"}) as server:
        yield server


@pytest.mark.parametrize("key", ["sk-one", "sk-two", "sk-three"])
def test_each_key_opens(guarded: Server, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert guarded.client.post("/score", json=SMALL, headers=headers).status_code == 200
    assert guarded.client.get("/metrics", headers=headers).status_code == 200


def test_others_are_refused(guarded: Server) -> None:
    for method, path in [("POST", "/score"), ("GET", "/metrics"), ("GET", "/v1/models"), ("POST", "/nope")]:
        for headers in ({}, {"Authorization": "Bearer sk-four"}):
            response = guarded.client.request(method, path, headers=headers)
            error = refusal(response, 401)
            assert error["type"] == "Unauthorized"
            assert response.headers["www-authenticate"] == "Bearer"


def test_probes_are_open(guarded: Server) -> None:
    assert guarded.client.get("/health").status_code == 200
    assert guarded.client.get("/ping").status_code == 200


def test_origins(guarded: Server, server: Server) -> None:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    preflight = guarded.client.options("/rerank", headers=headers)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    for asked in ("authorization,content-type,x-stainless-os", "x-client-name,x-fern-language", "traceparent,baggage"):
        wanted = headers | {"Access-Control-Request-Headers": asked}
        preflight = guarded.client.options("/v1/embeddings", headers=wanted)
        assert preflight.status_code == 200
        allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        assert set(asked.split(",")) <= set(allowed)
        preflight = guarded.client.options("/v1/embeddings", headers=wanted | {"Origin": "https://other.example"})
        assert preflight.status_code == 400
        assert "access-control-allow-origin" not in preflight.headers
    private = headers | {"Access-Control-Request-Private-Network": "true"}
    preflight = guarded.client.options("/rerank", headers=private)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-private-network"] == "true"
    preflight = guarded.client.options("/rerank", headers=private | {"Origin": "https://other.example"})
    assert preflight.status_code == 400
    refused = guarded.client.post("/rerank", json={}, headers={"Origin": "https://shop.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    exposed = refused.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "www-authenticate", "metadata", "retry-after", "allow", "accept-encoding"} == {*exposed}
    for other in ({"Origin": "https://other.example"}, {"Origin": "https://shop.example"}):
        one = guarded if "other" in other["Origin"] else server
        assert "access-control-allow-origin" not in one.client.post("/score", json=SMALL, headers=other).headers
