"""Artifacts the tests share, each exported once a session by the real exporter."""

from collections.abc import Callable
from pathlib import Path

import pytest

from export.__main__ import main
from tests import checkpoints


def export(checkpoint: Path, output: Path, *options: str) -> Path:
    """Run the exporter as its command does, and return the artifact."""
    assert main([str(checkpoint), "--output", str(output), *options]) == 0
    return output / checkpoint.name


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The fp32 artifact of a checkpoint of `tests.checkpoints`, by name: "minilm-ce" and so on."""
    folder = tmp_path_factory.mktemp("checkpoints")
    output = tmp_path_factory.mktemp("artifacts")

    def artifact(name: str) -> Path:
        if not (output / name).exists():
            build = getattr(checkpoints, f"build_{name.replace('-', '_')}")
            export(build(folder / name), output)
        return output / name

    return artifact


@pytest.fixture(scope="session")
def contract_artifacts(artifacts: Callable[[str], Path]) -> dict[str, Path]:
    """The three models behind the recordings in `tests/contract`."""
    return {name: artifacts(name) for name in ("minilm-ce", "minilm-bi", "minilm-colbert")}
