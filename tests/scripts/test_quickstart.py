"""`scripts/quickstart` for real, in a copy of the checkout and from an unrelated folder."""

import base64
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first_run(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return _quickstart(checkout, tmp_path_factory.mktemp("elsewhere"))


def test_first_run_installs_and_prints_a_ranking(first_run: subprocess.CompletedProcess[str]) -> None:
    assert first_run.returncode == 0, first_run.stderr
    assert "Installing" in first_run.stderr
    assert re.search(r"ready after \d+\.\d s", first_run.stdout)
    _assert_ranking(first_run.stdout)


def test_second_run_installs_nothing(
    first_run: subprocess.CompletedProcess[str], checkout: Path, tmp_path: Path
) -> None:
    second = _quickstart(checkout, tmp_path)
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    _assert_ranking(second.stdout)


@pytest.mark.parametrize("module", ["torch", "torchvision", "transformers", "sentence_transformers", "onnx"])
def test_serving_set_is_without(module: str, first_run: subprocess.CompletedProcess[str], checkout: Path) -> None:
    imported = subprocess.run([checkout / ".venv-serve/bin/python", "-c", f"import {module}"], capture_output=True)
    assert b"ModuleNotFoundError" in imported.stderr


def test_pictures_are_served_with_it(
    first_run: subprocess.CompletedProcess[str], checkout: Path, multimodal: Callable[..., tuple[Path, Path]]
) -> None:
    python, artifact = checkout / ".venv-serve/bin/python", multimodal("colqwen2")[1]
    picture = (checkout / "export/verification/samples/page.png").read_bytes()
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    with Server("--model", artifact, command=[python, "-m", "api"], folder=checkout) as server:
        body = {"query": "a ferry", "documents": [{"image": url}, "Cows eat grass."]}
        results = server.client.post("/rerank", json=body).raise_for_status().json()["results"]
    assert {result["index"] for result in results} == {0, 1}


def test_texts_need_no_pillow(first_run: subprocess.CompletedProcess[str], checkout: Path) -> None:
    program = """
import sys
sys.modules["PIL"] = None
from engine import Engine
print(Engine.load("models/all-MiniLM-L6-v2").score("a", ["b"]).scores.shape)
"""
    command = [checkout / ".venv-serve/bin/python", "-c", program]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.stdout == "(1,)\n", done.stderr


def test_keep_leaves_a_server_that_answers(
    first_run: subprocess.CompletedProcess[str], checkout: Path, tmp_path: Path
) -> None:
    kept = _quickstart(checkout, tmp_path, "--keep")
    server = int(re.findall(r"Stop it: kill (\d+)", kept.stdout)[0])
    try:
        (url,) = re.findall(r"curl (http://\S+)/rerank", kept.stdout)
        with urllib.request.urlopen(f"{url}/health") as response:
            assert response.status == 200
    finally:
        os.kill(server, signal.SIGTERM)
    _assert_gone(server)


def test_busy_port_is_one_sentence(first_run: subprocess.CompletedProcess[str], checkout: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        refused = _quickstart(checkout, tmp_path, "--port", str(port))
    assert refused.returncode == 1
    assert str(port) in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_no_server(
    number: signal.Signals, first_run: subprocess.CompletedProcess[str], checkout: Path, tmp_path: Path
) -> None:
    quickstart = subprocess.Popen([checkout / "scripts/quickstart"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    server = _wait_for_server_of(quickstart.pid)
    quickstart.send_signal(number)
    assert quickstart.wait(timeout=30) == 128 + number
    _assert_gone(server)


def test_without_a_python_it_says_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    refused = subprocess.run(
        ["/bin/bash", "-c", "source scripts/environment.sh; find_python"],
        cwd=checkout,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("ScoreRT needs Python 3.11 or newer")


def _quickstart(checkout: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [checkout / "scripts/quickstart", *arguments]
    # Modules are compiled when they are imported, and most of what is installed never is.
    environment = os.environ | {"PIP_NO_COMPILE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def _assert_ranking(output: str) -> None:
    rows = re.findall(r"^ +(\d+) +(-?\d\.\d{3})  (.+)$", output, re.MULTILINE)
    assert [rank for rank, _, _ in rows] == ["1", "2", "3"]
    assert [text.split()[0:2] for _, _, text in rows] == [["git", "reset"], ["git", "stash"], ["The", "Eiffel"]]
    scores = [float(score) for _, score, _ in rows]
    assert scores == sorted(scores, reverse=True)


def _wait_for_server_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in children.read_text(encoding="utf-8").split():
            if b"\0api\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        time.sleep(0.02)
    raise AssertionError("quickstart started no server")


def _assert_gone(process: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{process}").exists()
