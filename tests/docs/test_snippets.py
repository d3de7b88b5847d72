"""The code in the pages runs: Python in the order of a page, curl against a server, commands by their flags."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.dialects import ENDPOINTS
from api.models import Models
from api.settings.settings import Settings
from tests.docs.pages import PAGES, ROOT, blocks
from tests.e2e.server import Server

WITH_PYTHON = [page for page in PAGES if any(language == "python" for language, _ in blocks(page))]
CURLS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, (language, text) in enumerate(blocks(page))
    if language == "sh" and text.startswith("curl ")
]
# What makes the files that a page's Python reads.
_PREPARES = ("cat > ", "python -m engine index ")
_COMMAND = re.compile(r"python -m (api|export|engine \w+|examples\.\w+|scripts\.\w+)\b(.*)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, multimodal: Callable[..., tuple[Path, Path]]) -> Path:
    """Where the pages' code runs: beside models, a picture, a PDF and this checkout's examples."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "models").mkdir()
    # The pages speak of a published model, whose tiny sibling has its name.
    for artifact in (multimodal("colqwen2")[1], ROOT / "models" / "all-MiniLM-L6-v2"):
        (folder / "models" / artifact.name).symlink_to(artifact)
    page = PIL.Image.open(ROOT / "export" / "verification" / "samples" / "page.png")
    page.save(folder / "page.png")
    page.convert("RGB").save(folder / "report.pdf")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Serves what the pages' commands serve, with the index that the page of indexes makes."""
    prepare(ROOT / "docs" / "guides" / "indexing.md", folder)
    models = [argument for path in sorted((folder / "models").iterdir()) for argument in ("--model", path)]
    with Server(*models, "--index", folder / "docs-index", "--threads", "1") as server:
        yield server


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_runs(page: Path, folder: Path) -> None:
    prepare(page, folder)
    program = "\n".join(text for language, text in blocks(page) if language == "python")
    done = run([sys.executable, "-c", program], folder)
    assert done.returncode == 0, done.stderr


def test_the_example_of_a_dialect_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "contributing" / "add-a-dialect.md"
    (program,) = (text for language, text in blocks(page) if language == "python")
    names: dict[str, Any] = {}
    exec(program, names)
    monkeypatch.setattr("api.app.ENDPOINTS", (*names["ENDPOINTS"], *ENDPOINTS))
    settings = Settings()
    with TestClient(create_app(Models.load(settings), settings)) as client:
        body = {"query": "capital of France", "passages": ["Cows eat grass.", "Paris is in France."]}
        answer = client.post("/v1/ranks", json=body)
        assert [rank["index"] for rank in answer.raise_for_status().json()] == [1, 0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("text", CURLS)
def test_curl_is_answered(text: str, server: Server, folder: Path) -> None:
    """The server of the pages listens on port 8000; a mounted one has a path before its own."""
    command = re.sub(r"http://127\.0\.0\.1:8000(/scores)?", server.url, text)
    assert server.url in command
    done = run(["bash", "-ec", command.replace("curl ", "curl --fail-with-body --silent --show-error ")], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_flags_that_they_are_given(page: Path) -> None:
    for language, text in blocks(page):
        for command in commands(text) if language == "sh" else []:
            match = _COMMAND.search(command)
            if match is None:
                continue
            module, arguments = match[1], shlex.split(match[2], comments=True)
            given = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
            assert given <= flags(module), f"{page.name}: {command}"


@cache
def flags(module: str) -> frozenset[str]:
    done = run([sys.executable, "-m", *module.split(), "--help"], ROOT)
    assert done.returncode == 0 or module.startswith("examples."), done.stderr
    return frozenset(re.findall(r"--[a-z][a-z-]*", done.stdout))


def commands(text: str) -> list[str]:
    """The lines of a block, with what a backslash continues."""
    return text.replace("\\\n", " ").splitlines()


def prepare(page: Path, folder: Path) -> None:
    for language, text in blocks(page):
        if language == "sh" and text.startswith(_PREPARES):
            # A page may be run again.
            done = run(["bash", "-ec", text.replace("--output ", "--force --output ")], folder)
            assert done.returncode == 0, done.stderr


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    python = Path(sys.executable).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
