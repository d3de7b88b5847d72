"""Artifacts the tests share, each exported once by the real exporter; and which tests run in the same worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from export.__main__ import main
from tests import checkpoints


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests run in several processes; those of one module in the same one, unless they say otherwise."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


def export(checkpoint: Path, output: Path, *options: str) -> Path:
    """Run the exporter as its command does, and return the artifact."""
    assert main([str(checkpoint), "--output", str(output), *options]) == 0
    return output / checkpoint.name


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Path]:
    """The fp32 artifact of a checkpoint of `tests.checkpoints`, by name: "minilm-ce" and so on."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        # Every worker has a folder of its own there.
        folder = folder.parent
    output = folder / "shared-artifacts"

    def artifact(name: str) -> Path:
        with FileLock(folder / f"{name}.lock"):
            if not (output / name).exists():
                build = getattr(checkpoints, f"build_{name.replace('-', '_')}")
                export(build(folder / "shared-checkpoints" / name), output)
        return output / name

    return artifact


@pytest.fixture(scope="session")
def contract_artifacts(artifacts: Callable[[str], Path]) -> dict[str, Path]:
    """The three models behind the recordings in `tests/contract`."""
    return {name: artifacts(name) for name in ("minilm-ce", "minilm-bi", "minilm-colbert")}
