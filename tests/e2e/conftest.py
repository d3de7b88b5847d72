"""A server process with a model of every score type, and variants of them that differ in their manifests alone."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from tests.e2e.browser import Browser
from tests.e2e.images import MODELS
from tests.e2e.server import ROOT, Server
from tests.manifests import edit_manifest

DEFAULT = "all-MiniLM-L6-v2"


def prompted(manifest: dict[str, Any]) -> None:
    """A bi-encoder with prompts, whose embeddings may be cut and are taken for not normalised."""
    manifest["query"]["prompt"] = "query: "
    manifest["document"]["prompt"] = "passage: "
    manifest["matryoshka"] = []
    manifest["normalized"] = False


def identity(manifest: dict[str, Any]) -> None:
    """A cross-encoder whose scores are its logits."""
    manifest["activation"] = "identity"


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serves all-MiniLM-L6-v2 by default, and minilm-ce, minilm-bi, minilm-colbert, prompted and identity."""
    folder = tmp_path_factory.mktemp("variants")
    variants = [
        _variant(contract_artifacts["minilm-bi"], folder, prompted),
        _variant(contract_artifacts["minilm-ce"], folder, identity),
    ]
    with Server(
        "--model", ROOT / "models" / DEFAULT, *contract_artifacts.values(), *variants, "--threads", "1"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def _variant(artifact: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    name = change.__name__
    shutil.copytree(artifact, folder / name)
    edit_manifest(folder / name, lambda manifest: (manifest.update(name=name), change(manifest)))
    return folder / name


@pytest.fixture(scope="session")
def image_artifacts(
    contract_artifacts: dict[str, Path], multimodal: Callable[..., tuple[Path, Path]]
) -> dict[str, Path]:
    """Those of `images.MODELS`, by name."""
    return {
        name: contract_artifacts[name] if options is None else multimodal(*options)[1]
        for name, options in MODELS.items()
    }


@pytest.fixture(scope="module")
def image_server(image_artifacts: dict[str, Path]) -> Iterator[Server]:
    """Serves `images.MODELS` under their names."""
    names = ("--served-model-name", *image_artifacts)
    with Server("--model", *image_artifacts.values(), *names, "--threads", "1") as server:
        yield server


@pytest.fixture(scope="module")
def engines(image_artifacts: dict[str, Path]) -> Iterator[dict[str, Engine]]:
    """The same models in this process."""
    opened = {name: Engine.load(artifact, threads=1) for name, artifact in image_artifacts.items()}
    yield opened
    for engine in opened.values():
        engine.close()
