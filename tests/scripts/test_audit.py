"""The audit fails for what can be mended, and for nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.audit import read

MENDED = {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": ""}
OPEN = {"id": "PYSEC-2", "fix_versions": [], "aliases": [], "description": ""}


def test_advisories_are_told_apart_by_whether_a_version_mends_them() -> None:
    found = read(
        {
            "dependencies": [
                {"name": "a", "version": "1.0", "vulns": [MENDED, OPEN]},
                {"name": "b", "version": "1.0", "vulns": []},
                {"name": "c", "skip_reason": "Dependency not found"},
            ]
        }
    )
    assert found.packages == 2
    assert found.mended == ["a 1.0: PYSEC-1, mended in 1.1 and 2.0."]
    assert found.open == ["a 1.0: PYSEC-2, not mended in any version yet."]


@pytest.fixture
def unreachable() -> dict[str, str]:
    """Every host is behind a proxy that nobody runs."""
    return {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}


def test_an_index_that_cannot_be_reached_is_no_failure(unreachable: dict[str, str], tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.audit"],
        env=os.environ | unreachable | {"HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0
    assert ended.stderr == "No index of advisories could be reached, so dependencies were not audited.\n"
