"""Exports a checkpoint's graph with optimum, to be imported from there.

optimum needs an older transformers than this package's own exporter, so nothing of that is imported here.
"""

import json
import warnings
from pathlib import Path

from engine.extras import install

from ..checkpoint.files import Checkpoint
from ..errors import ExportError
from ..recipe import Recipe

BUILT_WITH = ["torch", "optimum-onnx"]


def export_with_optimum(checkpoint: Checkpoint, recipe: Recipe, folder: Path) -> Path:
    """Write the float32 graph of the checkpoint's body, or of its whole classifier, and return its file.

    Raises `ExportError` where optimum is not installed, or cannot export the checkpoint.
    """
    try:
        from optimum.exporters.onnx import main_export
    except ImportError:
        raise ExportError(
            f"--exporter optimum needs optimum-onnx: run `{install('optimum')}` in an environment of its own, because "
            "it needs an older transformers than other exports."
        ) from None
    folder_read = _with_overrides(checkpoint, folder / "checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main_export(
                str(folder_read),
                output=folder / "graph",
                task="text-classification" if recipe.own_classifier else "feature-extraction",
                # Not sentence-transformers, whose modules the recipe has read.
                library_name="transformers",
                trust_remote_code=checkpoint.trust_remote_code,
                do_validation=False,
            )
    except Exception as error:
        raise ExportError(f"optimum cannot export the checkpoint: {error}") from None
    return folder / "graph" / "model.onnx"


def _with_overrides(checkpoint: Checkpoint, folder: Path) -> Path:
    """The checkpoint's folder, or where its configuration was changed a copy made of links with the changed one."""
    if not checkpoint.overrides:
        return checkpoint.folder
    folder.mkdir()
    for path in checkpoint.folder.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(checkpoint.config), encoding="utf-8")
    return folder
