"""The examples, each run as its head says, against a real server where it asks one."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import ROOT, Server

EXAMPLES = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"__init__"}
# What each prints with the model that comes with ScoreRT, whose graph is 8 bits: processors differ in the third digit.
ALONE = {
    "in_process": ["Paris is the capital of France.", "Berlin is a city in Germany.", "tokens", "(3, 384)"],
    "index": ["3 documents, 3 vectors of 384", "paris", "berlin", "9 tokens were computed"],
}
ASKING = {
    "with_cohere": ["Paris is the capital of France.", "Berlin is a city in Germany.", "3 embeddings of 384 bytes"],
    "with_openai": ["2 embeddings of 384 numbers", "text-embedding-3-small", "The model `gpt-5` does not exist"],
    "with_huggingface": ["(2, 384)", "Cows eat grass.", "Paris is the capital of France."],
    "with_httpx": ["tokens", "Paris is the capital of France.", "Berlin is a city in Germany.", "400 At least one"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--alias", "text-embedding-3-small=all-MiniLM-L6-v2", "--threads", "1") as server:
        yield server


def test_every_example_is_run() -> None:
    assert {*ALONE, *ASKING, "mounted"} == EXAMPLES
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [name for name in EXAMPLES if f"({name}.py)" not in listed] == []


@pytest.mark.parametrize("name", ALONE)
def test_in_this_process(name: str) -> None:
    assert_lines(run(name), ALONE[name])


@pytest.mark.parametrize("name", ASKING)
def test_of_a_server(name: str, server: Server) -> None:
    assert_lines(run(name, server.url), ASKING[name])


def test_mounted(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "examples.mounted:app", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(client, process)
            body = {"query": "capital of France", "documents": ["Cows eat grass.", "Paris is in France."]}
            answer = client.post("/scores/rerank", json=body)
            assert [result["index"] for result in answer.raise_for_status().json()["results"]] == [1, 0]
            assert client.get("/").text == "Scores are at /scores."
            assert 'src="static/page.js"' in client.get("/scores/").text
            assert client.get("/scores/static/page.js").status_code == 200
            refused = client.post("/scores/rerank", json={"query": "a", "documents": ["b"] * 101})
            assert "more than the 100 of one request" in refused.json()["error"]["message"]
    finally:
        process.terminate()
        process.wait(60)
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Application shutdown complete." in said, said


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if client.get("/scores/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the application did not start")


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_lines(printed: str, wanted: list[str]) -> None:
    """What was wanted stands there in this order."""
    place = 0
    for part in wanted:
        found = printed.find(part, place)
        assert found >= 0, f"{part!r} is missing after {printed[:place]!r} in {printed!r}"
        place = found + len(part)
