"""Measures the memory that the machine has, and what this process may use of it."""

import re
from pathlib import Path

from .control_groups import read, settings


def memory(root: Path = Path("/")) -> dict[str, int | None]:
    """In bytes: of the `machine`, `available` without swapping, and the `limit` of the process's control groups.

    None is what nothing says. `root` is where `/proc` and `/sys` are looked for.
    """
    told = {name: int(kib) * 1024 for name, kib in re.findall(r"(\w+): +(\d+) kB", read(root / "proc/meminfo"))}
    machine = told.get("MemTotal")
    limits = settings("memory", "memory.max", ("memory.limit_in_bytes",), root)
    # No limit is a very large one in the first version.
    own = [int(limit) for limit in limits if limit.isdigit() and (machine is None or int(limit) < machine)]
    return {"machine": machine, "available": told.get("MemAvailable"), "limit": min(own, default=None)}
