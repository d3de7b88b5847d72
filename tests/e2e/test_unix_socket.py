"""A server on a Unix socket, asked by clients that connect to a file."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import ROOT, STOP_TIMEOUT, run_to_exit


@contextmanager
def served(model: Path, path: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and its ready line."""
    command = [sys.executable, "-m", "api", "--model", model, "--uds", path, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def model(contract_artifacts: dict[str, Path]) -> Path:
    return contract_artifacts["minilm-ce"]


def ask(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost", timeout=60)


def test_a_unix_socket_is_served_logged_and_removed(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(model, path) as (process, ready), ask(path) as client:
        assert ready.endswith(f" on unix:{path}\n")
        results = client.post("/rerank", json={"query": "a", "documents": ["b", "a"]}).json()["results"]
        assert [result["index"] for result in results] == [1, 0]
        assert client.get("/").text.startswith("<!doctype html>")
        assert client.get("/openapi.json").json()["paths"]
        assert client.get("/metrics").status_code == 200
        assert client.post("/rerank", json={}).status_code == 400
        refused = run_to_exit("--model", model, "--uds", path)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr == f"{path} cannot be listened on (another server has it): choose another --uds.\n"
        assert client.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=STOP_TIMEOUT)
    assert process.returncode == 0
    assert not path.exists()
    assert "Traceback" not in log
    assert "POST /rerank 200" in log
    assert "client=- " in log


def test_a_server_that_was_killed_keeps_no_other_from_starting(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):
        with served(model, path), ask(path) as client:
            assert client.get("/health").status_code == 200
        assert path.is_socket()


def test_a_server_that_cannot_start_leaves_no_file(tmp_path: Path) -> None:
    refused = run_to_exit("--model", tmp_path / "none", "--uds", tmp_path / "s")
    assert refused.returncode == 2
    assert not (tmp_path / "s").exists()
