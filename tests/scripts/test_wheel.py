"""The wheel, as someone without the checkout gets it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, checkout)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and what serving needs."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", "--no-compile"]
    _run(*pip, "-c", checkout / "constraints.txt", f"{wheel}[cpu]")
    return folder / "bin"


def test_holds_the_packages_with_their_data_and_the_default_model(wheel: Path, checkout: Path) -> None:
    folders = ["api", "engine", "export", "models/all-MiniLM-L6-v2"]
    wanted = {
        str(path.relative_to(checkout))
        for folder in folders
        for path in (checkout / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted | {"scorert.py"}
    assert "models/all-MiniLM-L6-v2/manifest.json" in held


def test_installed_alone_serves_the_default_model(installed: Path, tmp_path: Path) -> None:
    _assert_serves([installed / "python", "-m", "api"], tmp_path, os.environ)


def test_a_users_own_packages_do_not_break_the_command(installed: Path, strangers: Path) -> None:
    shadowed = subprocess.run([installed / "python", "-m", "api"], cwd=strangers, capture_output=True, text=True)
    assert "the wrong api" in shadowed.stderr
    for command in ([installed / "scorert", "serve"], [installed / "python", "-m", "scorert", "serve"]):
        for path in ({}, {"PYTHONPATH": "."}):
            _assert_serves(command, strangers, os.environ | path)


def test_the_command_says_what_exporting_needs(installed: Path, strangers: Path) -> None:
    done = subprocess.run([installed / "scorert", "export", "a/b"], cwd=strangers, capture_output=True, text=True)
    assert done.returncode == 2
    needed = re.escape("error: Exporting needs what is not installed here (No module named 'safetensors'): run ")
    assert re.match(rf'{needed}`pip install "[^`]*"torch>=[^`]*`\.$', done.stderr)
    assert "scorert" not in done.stderr, "whose name may be anybody's on an index"
    assert done.stderr.count("\n") == 1


def _assert_serves(command: list[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
    options = ["--host", "127.0.0.1", "--port", "0"]
    server = subprocess.Popen([*command, *options], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        found = re.search(r"http://\S+", ready)
        assert found is not None, ready
        body = {"query": "What is a cat?", "documents": ["A car has four wheels.", "A cat is a small feline."]}
        request = urllib.request.Request(
            f"{found[0]}/rerank", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            assert [result["index"] for result in json.load(response)["results"]] == [1, 0]
    finally:
        server.terminate()
        server.wait()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
