"""Runs one export as the options of its command ask: opens a checkpoint and where its graphs come from, and exports it.

What can be refused without PyTorch and transformers, which take seconds to import, is refused before that.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

# Set before the libraries that read them are imported: a download's progress is for a terminal alone, and that there
# may be no PyTorch is nothing to warn of.
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from engine.extras import needing
from engine.precisions import Precision
from engine.progress import Progress
from engine.staging import scratch

from .checkpoint.files import Checkpoint, open_checkpoint
from .checkpoint.finding import name_of
from .checkpoint.vocabulary import require_files
from .errors import ExportError
from .recipe import Recipe
from .recognition.families import require_known
from .recognition.score_templates import given_template
from .staging import check_space, check_target

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .exporter import Exporter, OpenExporter

# Bytes of a weight. A choice: embedding tables and heads that are left out of a graph may be a fifth of all.
_BYTES: dict[Precision, float] = {"fp32": 4, "fp16": 2, "int8": 1, "int8-fast": 1}
_AT_LEAST = 0.8


def run(options: argparse.Namespace, progress: Progress) -> Path:
    """The folder of the artifact that was written. Raises `ExportError` and `VerificationError`."""
    template = None if options.chat_template is None else given_template(options.chat_template)
    check_target(options.output / (options.name or name_of(options.from_onnx or options.model)), options.force)
    if options.provider is not None:
        from .tensorrt import require_tensorrt

        require_tensorrt()
    with scratch() as folder:
        checkpoint, open_exporter = _open(options, folder)
        name = options.name or checkpoint.name
        require_known(checkpoint.native, checkpoint.architecture)
        require_files(checkpoint.folder)
        check_space(options.output / name, _size(checkpoint, options.precision or ["fp32"]))
        with needing(*("Importing graphs", "import") if options.from_onnx is not None else ("Exporting", "export")):
            from transformers.utils import logging as transformers_logging

            from .pipeline import Options, export
        # After the download, because transformers switches off the Hub's progress with its own.
        transformers_logging.disable_progress_bar()
        settings = Options(
            output=options.output,
            name=name,
            score_type=options.score_type,
            prompts=options.prompts,
            max_length=options.max_length,
            force=options.force,
            provider=options.provider,
            verify_seconds=options.verify,
            template=template,
        )
        return export(checkpoint, open_exporter, settings, progress)


def _size(checkpoint: Checkpoint, precisions: list[Precision]) -> int:
    """About the least that the artifact will have in bytes: less than its weights, where some are left out."""
    files = [checkpoint.root / name for name in checkpoint.source.weights]
    stored = sum(file.stat().st_size for file in files if file.is_file())
    graphs = any(file.suffix == ".onnx" for file in files)
    half = "16" in str(checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype"))
    numbers = stored / (2 if half else 4)
    return int(_AT_LEAST * (stored if graphs else numbers * sum(_BYTES[precision] for precision in precisions)))


def _open(options: argparse.Namespace, folder: Path) -> "tuple[Checkpoint, OpenExporter]":
    """The checkpoint, and the function that opens the exporter of its graphs. Raises `ExportError`."""
    found = (options.revision, options.hf_overrides, options.trust_remote_code)
    if options.from_onnx is not None:
        with needing("Importing graphs", "import"):
            from .importing.files import open_graphs
        checkpoint, files = open_graphs(options.from_onnx, *found, options.precision)
        return checkpoint, partial(_imported, files=files)
    checkpoint = open_checkpoint(options.model, *found, scratch=folder)
    precisions = options.precision or ["fp32"]
    if options.exporter == "transformers":
        return checkpoint, partial(_traced, precisions=precisions, allow_missing=options.allow_missing)
    if precisions != ["fp32"]:
        raise ExportError("--exporter optimum makes fp32 graphs: leave --precision out, or --exporter.")
    return checkpoint, partial(_from_optimum, folder=folder)


def _traced(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: "PreTrainedTokenizerBase",
    precisions: list[Precision],
    allow_missing: bool,
) -> "Exporter":
    # Imported here, because the other ways need no PyTorch or an older transformers.
    with needing("Exporting from PyTorch weights (--from-onnx imports graphs without)", "export"):
        from .tracing.multimodal import TracedTowers
        from .tracing.traced import TracedNetwork
    traced = TracedNetwork if recipe.pictures is None else TracedTowers
    return traced(checkpoint, recipe, tokenizer, precisions, allow_missing)


def _imported(
    checkpoint: Checkpoint, recipe: Recipe, tokenizer: "PreTrainedTokenizerBase", files: dict[Precision, Path]
) -> "Exporter":
    from .importing.imported import ImportedGraphs

    return ImportedGraphs(checkpoint, recipe, tokenizer, files, [])


def _from_optimum(
    checkpoint: Checkpoint, recipe: Recipe, tokenizer: "PreTrainedTokenizerBase", folder: Path
) -> "Exporter":
    from .importing.imported import ImportedGraphs
    from .importing.optimum import BUILT_WITH, export_with_optimum

    files: dict[Precision, Path] = {"fp32": export_with_optimum(checkpoint, recipe, folder)}
    return ImportedGraphs(checkpoint, recipe, tokenizer, files, BUILT_WITH)
