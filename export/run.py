"""Runs one export as the options of its command ask: opens a checkpoint and where its graphs come from, and exports it.

What can be refused without PyTorch and transformers, which take seconds to import, is refused before that.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

# Set before the libraries that read them are imported: a download's progress is for a terminal alone, and that there
# may be no PyTorch is nothing to warn of.
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from engine.artifact.precisions import Precision
from engine.extras import needing
from engine.progress import Progress
from engine.staging import scratch

from .checkpoint.files import Checkpoint, open_checkpoint
from .checkpoint.finding import name_of
from .checkpoint.vocabulary import require_files
from .errors import ExportError
from .needs import artifact_bytes, weights_in_files
from .recipe import Recipe
from .recognition.families import require_known
from .recognition.score_templates import given_template
from .staging import check_space, check_target

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .exporter import Exporter, OpenExporter


def run(options: argparse.Namespace, progress: Progress) -> Path:
    """The folder of the artifact that was written. Raises `ExportError` and `VerificationError`."""
    template = None if options.chat_template is None else given_template(options.chat_template)
    check_target(options.output / (options.name or name_of(options.from_onnx or options.model)), options.force)
    if options.provider is not None:
        from .tensorrt import require_tensorrt

        require_tensorrt()
    with scratch() as folder, _compiling_in(folder / "inductor"):
        checkpoint, open_exporter = _open(options, folder)
        with needing(*("Importing graphs", "import") if options.from_onnx is not None else ("Exporting", "export")):
            from transformers.utils import logging as transformers_logging

            from .pipeline import Options, export
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
            template=template,
        )
        return export(checkpoint, open_exporter, settings, progress)


@contextlib.contextmanager
def _compiling_in(folder: Path) -> Iterator[None]:
    """Have PyTorch's compiler keep what it keeps in a folder, which it makes where temporary files are otherwise."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    given = os.environ.get(name)
    os.environ[name] = given or str(folder)
    try:
        yield
    finally:
        if given is None:
            del os.environ[name]


def _open(options: argparse.Namespace, folder: Path) -> "tuple[Checkpoint, OpenExporter]":
    """The checkpoint, and the function that opens the exporter of its graphs. Raises `ExportError`."""
    found = (options.revision, options.hf_overrides, options.trust_remote_code)
    if options.from_onnx is not None:
        with needing("Importing graphs", "import"):
            from .importing.files import open_graphs
        checkpoint, files = open_graphs(options.from_onnx, *found, options.precision)
        _check(checkpoint, options)
        return checkpoint, partial(_imported, files=files)
    checkpoint = open_checkpoint(options.model, *found, scratch=folder)
    _check(checkpoint, options)
    precisions = options.precision or ["fp32"]
    if options.exporter == "transformers":
        mapped_in = folder if weights_in_files(checkpoint, options.max_memory) else None
        allow_missing = options.allow_missing
        return checkpoint, partial(traced, precisions=precisions, allow_missing=allow_missing, mapped_in=mapped_in)
    if precisions != ["fp32"]:
        raise ExportError("--exporter optimum makes fp32 graphs: leave --precision out, or --exporter.")
    return checkpoint, partial(_from_optimum, folder=folder)


def _check(checkpoint: Checkpoint, options: argparse.Namespace) -> None:
    """Raises `ExportError` for a checkpoint that cannot be exported, or not to where it is to go."""
    require_known(checkpoint.native, checkpoint.architecture)
    require_files(checkpoint.folder)
    target = options.output / (options.name or checkpoint.name)
    check_space(target, artifact_bytes(checkpoint, options.precision or ["fp32"]))


def traced(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: "PreTrainedTokenizerBase",
    precisions: list[Precision],
    allow_missing: bool,
    mapped_in: Path | None,
) -> "Exporter":
    """The exporter of a checkpoint's PyTorch weights. Raises `ExportError`."""
    # Imported here, because the other ways need no PyTorch or an older transformers.
    with needing("Exporting from PyTorch weights (--from-onnx imports graphs without)", "export"):
        from .tracing.multimodal import TracedTowers
        from .tracing.traced import TracedNetwork
    traced = TracedNetwork if recipe.pictures is None else TracedTowers
    return traced(checkpoint, recipe, tokenizer, precisions, allow_missing, mapped_in)


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
