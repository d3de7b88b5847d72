"""Counts the CPU cores that this process may use: those it may run on, and what its control group's quota is worth."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cores(root: Path = Path("/")) -> int:
    """The cores, at least 1. A quota, as containers and pods have one, counts rounded up.

    `root` is where `/proc` and `/sys` are looked for: https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU",
    and https://docs.kernel.org/scheduler/sched-bwc.html for the first version.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([there, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """In cores, of the process's groups and of those around them; those that say none are left out."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, own = rest.partition(":")
        if number == "0":
            for folder in _around(root / "sys/fs/cgroup", own):
                quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
                yield from _quota(quota, period)
        elif "cpu" in controllers.split(","):
            for name in {controllers, "cpu"}:
                for folder in _around(root / "sys/fs/cgroup" / name, own):
                    yield from _quota(*(_read(folder / f"cpu.cfs_{what}_us").strip() for what in ("quota", "period")))


def _quota(quota: str, period: str) -> Iterator[float]:
    """Microseconds of processor time in every `period` of them."""
    if quota.isdigit() and period.isdigit() and int(period):
        yield int(quota) / int(period)


def _around(mount: Path, own: str) -> Iterator[Path]:
    """A group's folder and those around it. In a container the mount may be the group's own, whatever it is called."""
    for path in (PurePosixPath(own), *PurePosixPath(own).parents):
        yield mount / path.relative_to("/")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
