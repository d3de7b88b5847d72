"""The server as a process: how it starts, refuses to start, keeps answering and ends."""

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import onnxruntime
import pytest

from tests.e2e.server import ROOT, Server, run_to_exit

# Some seconds of work for one thread.
LARGE = {"queries": "What is the capital of France?", "documents": ["Paris is a large city. " * 70] * 30}
SMALL = {"queries": "a", "documents": "b"}


@pytest.fixture
def server(contract_artifacts: dict[str, Path]) -> Any:
    with Server("--model", contract_artifacts["minilm-ce"], "--threads", "1") as server:
        yield server


def test_the_one_provider_that_is_there_is_chosen(contract_artifacts: dict[str, Path]) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there are several")
    with Server("--model", contract_artifacts["minilm-bi"], "--provider", "auto") as server:
        assert "minilm-bi (bi-encoder, fp32, cpu)" in server.ready_line
        server.stop()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "", "nothing was tried"


def test_the_line_at_the_start_says_how_many_threads_there_are(server: Server) -> None:
    assert " with 1 CPU thread on http://" in server.ready_line


def send_large(server: Server) -> "Future[httpx.Response]":
    """Send `LARGE` from a thread, and return when the server is at work on it."""
    executor = ThreadPoolExecutor(1)
    answer = executor.submit(httpx.post, f"{server.url}/score", json=LARGE, timeout=120)
    executor.shutdown(wait=False)
    before = cpu_seconds(server)
    while cpu_seconds(server) < before + 0.5:
        assert not answer.done()
        time.sleep(0.01)
    return answer


def cpu_seconds(server: Server) -> float:
    """Processor time the server has used, in hundredths of a second."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_sigterm_finishes_what_is_in_flight(server: Server) -> None:
    answer = send_large(server)
    server.process.send_signal(signal.SIGTERM)
    response = answer.result()
    assert response.status_code == 200
    assert len(response.json()["data"]) == len(LARGE["documents"])
    assert server.process.wait(30) == 0
    assert server.stderr() == ""


def test_no_new_connections_after_sigterm(server: Server) -> None:
    answer = send_large(server)
    server.process.send_signal(signal.SIGTERM)
    refused = False
    while not refused and not answer.done():
        try:
            httpx.get(f"{server.url}/health")
        except httpx.ConnectError:
            refused = True
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            # The system had taken this connection before the socket closed, and the server had not yet.
            continue
    assert refused
    assert answer.result().status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_an_idle_server_quietly(server: Server, number: signal.Signals) -> None:
    assert server.stop(number) == 0
    assert server.stderr() == ""


@pytest.mark.parametrize("seconds", [0, 0.02])
def test_a_second_ctrl_c_ends_it_quietly(server: Server, seconds: float) -> None:
    server.process.send_signal(signal.SIGINT)
    time.sleep(seconds)
    assert server.stop(signal.SIGINT) == 0
    assert server.stderr() == ""


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [20, 60, 120, 180, 240, 300, 360, 420, 500, 600, 800, 1200])
def test_sigterm_at_any_moment_of_the_start_ends_it_quietly(
    contract_artifacts: dict[str, Path], milliseconds: int
) -> None:
    command = [sys.executable, "-m", "api", "--model", contract_artifacts["minilm-ce"], "--port", "0"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--log-level", "warning"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(milliseconds / 1000)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    # Before Python itself is up the system ends it.
    assert process.returncode in (0, -signal.SIGTERM)
    assert said == ""


def test_inference_does_not_hold_up_the_event_loop(server: Server) -> None:
    answer = send_large(server)
    waits = []
    for _ in range(20):
        begun = time.perf_counter()
        assert server.client.get("/health").status_code == 200
        waits.append(time.perf_counter() - begun)
    # Had the large request held up the loop, the first of these would have come after it.
    assert not answer.done()
    assert sorted(waits)[10] < 0.3
    assert answer.result().status_code == 200


def test_requests_are_answered_side_by_side(server: Server) -> None:
    with ThreadPoolExecutor(16) as executor:
        texts = [f"document {number}" for number in range(64)]
        bodies = [{"query": "document 7", "documents": [text]} for text in texts]
        answers = list(executor.map(lambda body: server.client.post("/rerank", json=body).json(), bodies))
    assert [answer["results"][0]["document"]["text"] for answer in answers] == texts
    alone = server.client.post("/score", json={"queries": "document 7", "documents": texts}).json()["data"]
    scores = [answer["results"][0]["relevance_score"] for answer in answers]
    assert scores == pytest.approx([item["score"] for item in alone], abs=1e-5)


@pytest.mark.parametrize("body", [b'{"queries": "a', json.dumps(LARGE).encode()])
def test_clients_may_leave(server: Server, body: bytes) -> None:
    """In the middle of sending, or of waiting."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: {max(len(body), 100)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        time.sleep(0.2)
    assert server.client.post("/score", json=SMALL).status_code == 200
    assert server.stop() == 0
    assert server.stderr() == ""


def test_serves_without_the_libraries_of_the_exporter(contract_artifacts: dict[str, Path], tmp_path: Path) -> None:
    for name in ("torch", "transformers", "onnx", "onnx_ir", "onnxscript", "optimum", "safetensors", "scipy", "rich"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not there')")
    environment = {"PYTHONPATH": str(tmp_path)}
    proof = subprocess.run(
        [sys.executable, "-c", "import torch"], env=environment, capture_output=True, text=True, check=False
    )
    assert "torch is not there" in proof.stderr
    with Server("--model", *contract_artifacts.values(), environment=environment) as server:
        for name in contract_artifacts:
            response = server.client.post("/rerank", json={"model": name, "query": "a", "documents": ["b", "c"]})
            assert len(response.json()["results"]) == 2, response.text


class TestRefusalsToStart:
    """One sentence on stderr, exit status 2."""

    def refusal(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> str:
        ended = run_to_exit("--host", "127.0.0.1", *arguments, environment=environment)
        assert ended.returncode == 2
        assert ended.stdout == ""
        assert ended.stderr.count("\n") == 1
        assert ended.stderr.endswith(".\n")
        return ended.stderr

    def test_missing_artifact(self, tmp_path: Path) -> None:
        assert f"{tmp_path / 'none'} is not an artifact" in self.refusal("--port", "0", "--model", tmp_path / "none")

    def test_port_in_use(self, contract_artifacts: dict[str, Path]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            message = self.refusal("--port", port, "--model", contract_artifacts["minilm-bi"])
        assert f"127.0.0.1 port {port} cannot be listened on (Address already in use)" in message

    def test_unknown_provider(self, contract_artifacts: dict[str, Path]) -> None:
        arguments = ["--port", "0", "--model", str(contract_artifacts["minilm-bi"]), "--provider", "gpu"]
        assert "Unknown provider 'gpu'" in self.refusal(*arguments)

    def test_precision_the_artifact_lacks(self, contract_artifacts: dict[str, Path]) -> None:
        arguments = ["--port", "0", "--model", str(contract_artifacts["minilm-bi"]), "--precision", "fp16"]
        assert "minilm-bi has no fp16 graph" in self.refusal(*arguments)

    def test_two_models_of_one_name(self, contract_artifacts: dict[str, Path]) -> None:
        artifact = contract_artifacts["minilm-bi"]
        message = self.refusal("--port", "0", "--model", artifact, artifact)
        assert "Two models are called minilm-bi" in message

    def test_unknown_flag(self) -> None:
        assert "--prot" in self.refusal("--prot", "1")

    def test_variable_that_is_no_port(self) -> None:
        assert "'http' is not a port" in self.refusal(environment={"SCORERT_PORT": "http"})
