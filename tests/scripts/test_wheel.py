"""The wheel, as someone without the checkout gets it."""

import json
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, checkout)
    (path,) = folder.glob("*.whl")
    return path


def test_holds_the_packages_with_their_data_and_the_default_model(wheel: Path, checkout: Path) -> None:
    folders = ["api", "engine", "export", "models/all-MiniLM-L6-v2"]
    wanted = {
        str(path.relative_to(checkout))
        for folder in folders
        for path in (checkout / folder).rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {name for name in wanted if "__pycache__" not in name}
    assert "models/all-MiniLM-L6-v2/manifest.json" in held


def test_installed_alone_serves_the_default_model(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    _run(*pip, "-c", checkout / "constraints.txt", f"{wheel}[cpu]")
    (tmp_path / "elsewhere").mkdir()
    server = subprocess.Popen(
        [python, "-m", "api", "--host", "127.0.0.1", "--port", "0"],
        cwd=tmp_path / "elsewhere",
        stdout=subprocess.PIPE,
        text=True,
    )
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
