"""Artifacts that tests share, each exported once by the real exporter, a folder, and which tests share a process."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from checkpoints import minilm
from checkpoints import multimodal as multimodal_checkpoints
from export.__main__ import main

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anywhere")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-minutes", type=float, default=0, help="how long tests/e2e/test_fuzz.py goes on for")


_BY_ROW = ("export/recognition/test_families.py", "export/recognition/test_multimodal.py")


class Scheduling(LoadScopeScheduling):
    """A module's tests run in one process, one after the other, because its fixtures take long to make.

    Of the tests of families that is so for each row of a table alone.
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        row = re.search(r"\[(.+)\]$", test) if module.endswith(_BY_ROW) else None
        return row[1] if row else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


# Environments that tests make compile what they import, and once is enough.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def export(checkpoint: Path, output: Path, *options: str) -> Path:
    """Run the exporter as its command does, and return the artifact."""
    assert main([str(checkpoint), "--output", str(output), *options]) == 0
    return output / checkpoint.name


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers have in common; what is made there needs a `FileLock`."""
    folder = tmp_path_factory.getbasetemp()
    # Every worker has a folder of its own there.
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def artifacts(shared_folder: Path) -> Callable[[str], Path]:
    """The fp32 artifact of a checkpoint of `checkpoints.minilm`, by name: "minilm-ce" and so on."""
    output = shared_folder / "shared-artifacts"

    def artifact(name: str) -> Path:
        with FileLock(shared_folder / f"{name}.lock"):
            if not (output / name).exists():
                build = getattr(minilm, f"build_{name.replace('-', '_')}")
                export(build(shared_folder / "shared-checkpoints" / name), output)
        return output / name

    return artifact


@pytest.fixture(scope="session")
def multimodal(shared_folder: Path) -> Callable[..., tuple[Path, Path]]:
    """The checkpoint and the fp32 artifact of a row of `checkpoints.multimodal`, by name, with options of the export.

    Each is made once for each set of options.
    """

    def made(name: str, *options: str) -> tuple[Path, Path]:
        folder = shared_folder / "multimodal" / "-".join([name, *options]).replace("--", "")
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if not any(folder.glob("artifacts/*")):
                checkpoint = multimodal_checkpoints.build(name, folder / "checkpoint")
                assert main([str(checkpoint), "--output", str(folder / "artifacts"), *options]) == 0
        published = multimodal_checkpoints.PUBLISHED_NAMES.get(name, name)
        return folder / "checkpoint" / published, folder / "artifacts" / published

    return made


@pytest.fixture(scope="session")
def contract_artifacts(artifacts: Callable[[str], Path]) -> dict[str, Path]:
    """The three models behind the recordings in `tests/contract`."""
    return {name: artifacts(name) for name in ("minilm-ce", "minilm-bi", "minilm-colbert")}


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A folder with packages of a user's own that have the names of ours."""
    for name in ("api", "engine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the wrong {name}')")
    (tmp_path / "export.py").write_text("raise RuntimeError('the wrong export')")
    return tmp_path
