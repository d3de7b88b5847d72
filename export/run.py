"""Runs one export as the options of its command ask: opens a checkpoint and where its graphs come from, and exports it.

Importing this needs transformers, which the command's arguments and help do not.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

# Set before the libraries that read them are imported: a download's progress is for a terminal alone, and that there
# may be no PyTorch is nothing to warn of.
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.extras import needing
from engine.precisions import Precision
from engine.progress import Progress

from .checkpoint.files import Checkpoint, open_checkpoint
from .errors import ExportError
from .exporter import Exporter, OpenExporter
from .importing.files import open_graphs
from .importing.imported import ImportedGraphs
from .importing.optimum import BUILT_WITH, export_with_optimum
from .pipeline import Options, export
from .recipe import Recipe
from .tensorrt import require_tensorrt


def run(options: argparse.Namespace, progress: Progress) -> Path:
    """The folder of the artifact that was written. Raises `ExportError` and `VerificationError`."""
    if options.provider is not None:
        require_tensorrt()
    with tempfile.TemporaryDirectory(prefix="scorert-") as scratch:
        checkpoint, open_exporter = _open(options, Path(scratch))
        # After the download, because transformers switches off the Hub's progress with its own.
        transformers_logging.disable_progress_bar()
        settings = Options(
            output=options.output,
            name=options.name or checkpoint.name,
            score_type=options.score_type,
            prompts=options.prompts,
            max_length=options.max_length,
            force=options.force,
            provider=options.provider,
            verify_seconds=options.verify,
        )
        return export(checkpoint, open_exporter, settings, progress)


def _open(options: argparse.Namespace, scratch: Path) -> tuple[Checkpoint, OpenExporter]:
    """The checkpoint, and the function that opens the exporter of its graphs. Raises `ExportError`."""
    found = (options.revision, options.hf_overrides, options.trust_remote_code)
    if options.from_onnx is not None:
        checkpoint, files = open_graphs(options.from_onnx, *found, options.precision)
        return checkpoint, partial(ImportedGraphs, files=files, built_with=[])
    checkpoint = open_checkpoint(options.model, *found, scratch=scratch)
    precisions = options.precision or ["fp32"]
    if options.exporter == "transformers":
        return checkpoint, partial(_traced, precisions=precisions, allow_missing=options.allow_missing)
    if precisions != ["fp32"]:
        raise ExportError("--exporter optimum makes fp32 graphs: leave --precision out, or --exporter.")
    return checkpoint, partial(_from_optimum, scratch=scratch)


def _traced(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    precisions: list[Precision],
    allow_missing: bool,
) -> Exporter:
    # Imported here, because the other ways need no PyTorch or an older transformers.
    with needing("Exporting from PyTorch weights (--from-onnx imports graphs without)", "export"):
        from .tracing.multimodal import TracedTowers
        from .tracing.traced import TracedNetwork
    traced = TracedNetwork if recipe.pictures is None else TracedTowers
    return traced(checkpoint, recipe, tokenizer, precisions, allow_missing)


def _from_optimum(
    checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, scratch: Path
) -> Exporter:
    files: dict[Precision, Path] = {"fp32": export_with_optimum(checkpoint, recipe, scratch)}
    return ImportedGraphs(checkpoint, recipe, tokenizer, files, BUILT_WITH)
