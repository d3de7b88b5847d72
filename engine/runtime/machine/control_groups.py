"""Reads what the process's control groups, as containers and pods have them, limit it to."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath


def settings(controller: str, second: str, first: Sequence[str], root: Path = Path("/")) -> Iterator[str]:
    """What a setting is in each of the process's groups and of those around them; those that say nothing are left out.

    It is the content of the file `second` in version 2, and of the files `first`, with spaces between, in version 1.
    `root` is where `/proc` and `/sys` are looked for: https://docs.kernel.org/admin-guide/cgroup-v2.html.
    """
    for line in read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, own = rest.partition(":")
        if number == "0":
            mounts, files = {"."}, [second]
        elif controller in controllers.split(","):
            mounts, files = {controllers, controller}, [*first]
        else:
            continue
        for mount in mounts:
            for folder in _around(root / "sys/fs/cgroup" / mount, own):
                content = " ".join(read(folder / name).strip() for name in files).strip()
                if content:
                    yield content


def read(path: Path) -> str:
    """A file of the kernel's; nothing where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _around(mount: Path, own: str) -> Iterator[Path]:
    """A group's folder and those around it. In a container the mount may be the group's own, whatever it is called."""
    for path in (PurePosixPath(own), *PurePosixPath(own).parents):
        yield mount / path.relative_to("/")
