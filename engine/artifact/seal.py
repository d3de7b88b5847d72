"""Seals a manifest: a file beside it has its sha256, as the manifest has that of every other file."""

from pathlib import Path

from ..errors import ArtifactError
from .artifact import MANIFEST
from .manifest import sha256

SEAL = "manifest.sha256"
"""`sha256sum --check manifest.sha256` reads it, too."""


def seal(folder: Path) -> None:
    """Write the seal of the manifest that is there."""
    (folder / SEAL).write_text(_seal_of(folder), encoding="ascii")


def check_seal(folder: Path) -> bool:
    """Whether there is a seal: artifacts of earlier versions have none. Raises `ArtifactError` for a manifest that was
    changed since."""
    path = folder / SEAL
    if not path.is_file():
        return False
    if path.read_bytes() != _seal_of(folder).encode():
        raise ArtifactError(
            f"{folder / MANIFEST} was changed since it was exported: it does not have the sha256 that {SEAL} gives. "
            f"Copy both again or export the model again; if the change was yours, remove {SEAL}."
        )
    return True


def _seal_of(folder: Path) -> str:
    return f"{sha256(folder / MANIFEST)}  {MANIFEST}\n"
