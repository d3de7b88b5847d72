"""Describes the machine, without which figures mean nothing."""

import datetime
import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

from engine.runtime.machine.cores import cores
from engine.runtime.machine.processor import instructions, processor

_LIBRARIES = ["onnxruntime", "numpy", "tokenizers", "uvicorn", "torch", "transformers", "sentence-transformers"]

# A machine is idle where it computes for at most this part of the time it is looked at.
_IDLE, _GLANCE, _IDLE_WITHIN = 0.05, 0.2, 5.0


def describe() -> dict[str, object]:
    return {
        "cpu": processor(),
        "cores": cores(),
        "instructions": instructions(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def file_name() -> str:
    """A name for this kind of machine, such as amd-epyc-avx2-2-cores."""
    parts = [processor(), *instructions()[-1:], f"{cores()} cores"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")


def wait_until_idle() -> None:
    """Until nobody computes any more, for a few seconds at most: vLLM's threads spin for one after its last answer."""
    deadline = time.monotonic() + _IDLE_WITHIN
    busy = _busy_seconds()
    while time.monotonic() < deadline:
        time.sleep(_GLANCE)
        before, busy = busy, _busy_seconds()
        if busy - before < _IDLE * _GLANCE * cores():
            return


def memory(pid: int, field: str) -> float:
    """`VmRSS` (resident now) or `VmHWM` (the most it was) of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _busy_seconds() -> float:
    """What all processors have computed since the machine started."""
    user, nice, system, *_ = Path("/proc/stat").read_text(encoding="utf-8").split()[1:]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
