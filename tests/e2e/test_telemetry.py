"""Nothing of what runs ONNX Runtime reports that it does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import tiny
from tests.e2e.server import API, ROOT, Server

pytestmark = pytest.mark.slow

VARIABLE = "ORT_DISABLE_TELEMETRY"
# The tests' own process has set it.
UNSET = ("env", "-u", VARIABLE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def run(home: Path, *arguments: str | Path) -> str:
    environment = os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    command = [*UNSET, sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def left(home: Path) -> list[str]:
    return [str(path.relative_to(home)) for path in home.rglob("*") if "onnxruntime" in path.name.lower()]


def test_serving(home: Path, artifacts: Callable[[str], Path]) -> None:
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    with Server("--model", artifacts("minilm-bi"), command=(*UNSET, *API), environment=environment) as server:
        assert server.client.post("/score", json={"queries": "a", "documents": "b"}).status_code == 200
        time.sleep(1)
    assert left(home) == []


def test_in_process(home: Path, artifacts: Callable[[str], Path]) -> None:
    program = f"import time; from engine import Engine; Engine.load({str(artifacts('minilm-bi'))!r}); time.sleep(1)"
    run(home, "-c", program)
    assert left(home) == []


def test_indexing(home: Path, artifacts: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "a"}))
    run(home, "-m", "engine", "index", artifacts("minilm-bi"), tmp_path / "docs.jsonl", "--output", tmp_path / "index")
    assert left(home) == []


def test_exporting(home: Path, tmp_path: Path) -> None:
    checkpoint = tiny.build("bert", tmp_path / "bert")
    run(home, "-m", "export", checkpoint, "--output", tmp_path / "models", "--precision", "fp32,int8")
    assert left(home) == []


@pytest.mark.parametrize("first", ["export.rewrites.ranges", "export.importing.imported", "engine.runtime.sessions"])
def test_whatever_is_imported_first(home: Path, first: str) -> None:
    assert run(home, "-c", f"import os, {first}; print(os.environ['{VARIABLE}'])") == "1\n"


def test_the_user_has_the_last_word() -> None:
    program = f"import engine, os; print(os.environ['{VARIABLE}'])"
    told = os.environ | {VARIABLE: "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=told, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
