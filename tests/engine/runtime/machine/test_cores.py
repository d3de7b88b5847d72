"""Cores are those of the process and not of its host."""

import os
from pathlib import Path

import pytest

from engine.runtime.machine.cores import cores


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


V1 = "4:memory:/pod/a\n3:cpu,cpuacct:/pod/a\n2:cpuset:/\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "wanted"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 64),
        ("0::/\n", {}, 64),
        ("", {}, 64),
        # The group's own folder below the mount, its parent's smaller quota, and a container's mount of its own.
        ("0::/pod/a\n", {"pod/a/cpu.max": "300000 100000"}, 3),
        ("0::/pod/a\n", {"pod/a/cpu.max": "max 100000", "pod/cpu.max": "400000 100000"}, 4),
        ("0::/pod/a\n", {"cpu.max": "300000 100000"}, 3),
        (V1, {"cpu,cpuacct/pod/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/pod/a/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"cpu,cpuacct/pod/a/cpu.cfs_quota_us": "-1", "cpu,cpuacct/pod/a/cpu.cfs_period_us": "100000"}, 64),
        ("0::/\n", {"cpu.max": ""}, 64),
        ("0::/\n", {"cpu.max": "100000 0"}, 64),
        ("0::/\n", {"cpu.max": "nonsense \ufffd"}, 64),
    ],
)
def test_quotas_of_both_versions_count(tmp_path: Path, groups: str, files: dict[str, str], wanted: int) -> None:
    assert cores(machine(tmp_path, groups, files)) == wanted


def test_without_linux_the_processor_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores(tmp_path) == 6
