"""Describes the machine, without which figures mean nothing."""

import datetime
import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path

from engine.runtime.cores import cores

# Instructions that decide how fast matrix products are, in the order they appeared.
_INSTRUCTIONS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm"]
_LIBRARIES = ["onnxruntime", "numpy", "tokenizers", "uvicorn", "torch", "transformers", "sentence-transformers"]

# A machine is idle where it computes for at most this part of the time it is looked at.
_IDLE, _GLANCE, _IDLE_WITHIN = 0.05, 0.2, 5.0


def describe() -> dict[str, object]:
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "instructions": instructions(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def instructions() -> list[str]:
    present = set(_cpuinfo().split())
    return [name for name in _INSTRUCTIONS if name in present]


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for it; elsewhere bfloat16 costs time."""
    return bool({"avx512_bf16", "amx_bf16"} & set(instructions()))


def file_name() -> str:
    """A name for this kind of machine, such as amd-epyc-avx2-2-cores."""
    parts = [_cpu(), *instructions()[-1:], f"{cores()} cores"]
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


def _cpu() -> str:
    found = re.search(r"model name\s*: (.+)", _cpuinfo())
    return found[1].strip() if found else platform.processor() or os.uname().machine


def _cpuinfo() -> str:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")
