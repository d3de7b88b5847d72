"""`python -m export MODEL`: turn a Hugging Face checkpoint, or ONNX graphs that exist already, into an artifact."""

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, get_args

# Set before the libraries that read them are imported: a download's progress is for a terminal alone, and that there
# may be no PyTorch is nothing to warn of.
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from rich.console import Console
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.artifact import Precision, ScoreType

from .checkpoint.files import Checkpoint, open_checkpoint
from .errors import ExportError, VerificationError
from .exporter import Exporter, OpenExporter
from .importing.files import open_graphs
from .importing.imported import ImportedGraphs
from .importing.optimum import BUILT_WITH, export_with_optimum
from .pipeline import Options, export
from .progress import Progress
from .recipe import Recipe
from .recognition.listing import table
from .tensorrt import require_tensorrt

REFUSED, NOT_VERIFIED, INTERRUPTED = 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one export. Returns the exit code: 0, 2 for a refusal, 3 for a graph that strays too far."""
    options = _parse(arguments)
    progress = Progress(Console(stderr=True))
    try:
        if options.provider is not None:
            require_tensorrt()
        with tempfile.TemporaryDirectory(prefix="scorert-") as scratch:
            checkpoint, open_origin = _open(options, Path(scratch))
            # After the download, because transformers switches off the Hub's progress with its own.
            transformers_logging.disable_progress_bar()
            settings = Options(
                output=options.output,
                name=options.name or checkpoint.name,
                score_type=options.score_type,
                max_length=options.max_length,
                force=options.force,
                provider=options.provider,
            )
            target = export(checkpoint, open_origin, settings, progress)
    except KeyboardInterrupt:
        progress.say("interrupted: no artifact was written.")
        return INTERRUPTED
    except ExportError as error:
        progress.say(f"error: {error}")
        return REFUSED
    except VerificationError as error:
        progress.say(f"error: {error} No artifact was written.")
        progress.say(f"{'original':>10} {'graph':>10} {'error':>10}  worst pairs")
        for text, want, got in error.worst:
            progress.say(f"{want:10.5f} {got:10.5f} {abs(got - want):10.5f}  {' '.join(text.split())[:100]}")
        return NOT_VERIFIED
    print(target)
    return 0


def _open(options: argparse.Namespace, scratch: Path) -> tuple[Checkpoint, OpenExporter]:
    """The checkpoint, and what its graphs come from. Raises `ExportError`."""
    found = (options.revision, options.hf_overrides, options.trust_remote_code)
    if options.from_onnx is not None:
        checkpoint, files = open_graphs(options.from_onnx, *found, options.precision)
        return checkpoint, partial(ImportedGraphs, files=files, built_with=[])
    checkpoint = open_checkpoint(options.model, *found)
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
    try:
        from .tracing.traced import TracedNetwork
    except ImportError as error:
        raise ExportError(
            f"Exporting from PyTorch weights needs scorert[export], which is not installed here ({error}); ONNX graphs "
            "that exist already can be imported with --from-onnx."
        ) from None
    return TracedNetwork(checkpoint, recipe, tokenizer, precisions, allow_missing)


def _from_optimum(
    checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, scratch: Path
) -> Exporter:
    files: dict[Precision, Path] = {"fp32": export_with_optimum(checkpoint, recipe, scratch)}
    return ImportedGraphs(checkpoint, recipe, tokenizer, files, BUILT_WITH)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.model is None) == (options.from_onnx is None):
        parser.error("give MODEL, or --from-onnx with a folder or hub id that has ONNX graphs")
    if options.from_onnx is not None and options.exporter is not None:
        parser.error("--exporter makes graphs of MODEL, and --from-onnx takes those that are there: give one of them")
    options.exporter = options.exporter or "transformers"
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Turn a Hugging Face reranker or embedder into a ScoreRT artifact, verified against the original.",
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a checkpoint's folder, or a hub id such as org/name")
    parser.add_argument(
        "--from-onnx",
        metavar="FOLDER_OR_HUB_ID",
        help="instead of MODEL: import the graphs in its folder onnx, or beside its config.json; needs no PyTorch",
    )
    parser.add_argument(
        "--exporter",
        choices=["transformers", "optimum"],
        help="what makes a graph of MODEL's PyTorch weights (transformers); optimum is the extra scorert[optimum]",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    parser.add_argument("--output", type=Path, default=Path("models"), help="folder to put the artifact in (models)")
    parser.add_argument("--name", type=_name, help="the artifact's name (default: the model's)")
    parser.add_argument(
        "--precision",
        type=_precisions,
        help=f"one or several of {', '.join(get_args(Precision))}, with commas; the first is served by default "
        "(fp32; with --from-onnx the best there is)",
    )
    parser.add_argument(
        "--score-type", choices=["auto", *get_args(ScoreType)], default="auto", help="default: what the files say"
    )
    parser.add_argument("--max-length", type=int, help="longest input in tokens (default: the checkpoint's)")
    parser.add_argument(
        "--provider",
        choices=["tensorrt"],
        help="also make graphs for TensorRT of --precision's fp32 and fp16, and build their engines on this machine's "
        "GPU, for inputs of --max-length, so that serving with --provider tensorrt starts at once (default: none)",
    )
    parser.add_argument("--hf-overrides", type=_overrides, default={}, metavar="JSON", help="changes to config.json")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the checkpoint's own Python code")
    parser.add_argument(
        "--allow-missing", action="store_true", help="export although weights are missing (random then) or unexpected"
    )
    parser.add_argument("--force", action="store_true", help="replace an artifact of the same name")
    parser.add_argument("--list", action=_List, help="print the families of checkpoints that can be exported, and exit")
    return parser


class _List(argparse.Action):
    """As `--version` does, but without wrapping the lines."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(table())
        parser.exit()


def _precisions(text: str) -> list[str]:
    precisions = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for precision in precisions:
        if precision not in get_args(Precision):
            raise argparse.ArgumentTypeError(f"'{precision}' is not one of {', '.join(get_args(Precision))}")
    return precisions


def _overrides(text: str) -> dict[str, Any]:
    try:
        overrides = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
    if not isinstance(overrides, dict):
        raise argparse.ArgumentTypeError('must be a JSON object, such as {"max_position_embeddings": 512}')
    return overrides


def _name(text: str) -> str:
    if not text or "/" in text or text.startswith("."):
        raise argparse.ArgumentTypeError("must be a plain folder name")
    return text


if __name__ == "__main__":
    sys.exit(main())
