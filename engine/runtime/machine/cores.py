"""Counts the CPU cores that this process may use: those it may run on, and what its control group's quota is worth."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from .control_groups import settings


def cores(root: Path = Path("/")) -> int:
    """The cores, at least 1. A quota, as containers and pods have one, counts rounded up.

    `root` is where `/proc` and `/sys` are looked for: https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU",
    and https://docs.kernel.org/scheduler/sched-bwc.html for the first version.
    """
    return max(1, math.ceil(min(allowed(), quota(root))))


def allowed() -> int:
    """The cores that the process may run on, of those that the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = Path("/")) -> float:
    """In cores, of the process's groups and of those around them, the least; infinite where there is none."""
    return min(_quotas(root), default=math.inf)


def _quotas(root: Path) -> Iterator[float]:
    """Microseconds of processor time in every period of them."""
    for setting in settings("cpu", "cpu.max", ("cpu.cfs_quota_us", "cpu.cfs_period_us"), root):
        share, _, period = setting.partition(" ")
        if share.isdigit() and period.isdigit() and int(period):
            yield int(share) / int(period)
