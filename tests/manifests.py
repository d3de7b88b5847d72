"""Edits a manifest as somebody would on purpose: its seal goes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.artifact.artifact import MANIFEST
from engine.artifact.seal import SEAL


def edit_manifest(artifact: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Have `change` change what the manifest says, and write it."""
    path = artifact / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    (artifact / SEAL).unlink(missing_ok=True)
