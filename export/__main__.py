"""`python -m export MODEL`: turn a Hugging Face checkpoint into an artifact."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, get_args

# Set before the library that reads it is imported: a download's progress is for a terminal alone.
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from rich.console import Console
from transformers.utils import logging as transformers_logging

from engine.artifact import Precision, ScoreType

from .errors import ExportError, VerificationError
from .pipeline import Options, export
from .progress import Progress
from .source import open_checkpoint

REFUSED, NOT_VERIFIED, INTERRUPTED = 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one export. Returns the exit code: 0, 2 for a refusal, 3 for a graph that strays too far from PyTorch."""
    options = _parser().parse_args(arguments)
    progress = Progress(Console(stderr=True))
    transformers_logging.set_verbosity_error()
    try:
        checkpoint = open_checkpoint(options.model, options.revision, options.hf_overrides, options.trust_remote_code)
        # After the download, because transformers switches off the Hub's progress with its own.
        transformers_logging.disable_progress_bar()
        target = export(
            checkpoint,
            Options(
                output=options.output,
                name=options.name or checkpoint.name,
                precisions=options.precision,
                score_type=options.score_type,
                max_length=options.max_length,
                force=options.force,
            ),
            progress,
        )
    except KeyboardInterrupt:
        progress.say("interrupted: no artifact was written.")
        return INTERRUPTED
    except ExportError as error:
        progress.say(f"error: {error}")
        return REFUSED
    except VerificationError as error:
        progress.say(f"error: {error} No artifact was written.")
        progress.say(f"{'PyTorch':>10} {'graph':>10} {'error':>10}  worst pairs")
        for text, want, got in error.worst:
            progress.say(f"{want:10.5f} {got:10.5f} {abs(got - want):10.5f}  {' '.join(text.split())[:100]}")
        return NOT_VERIFIED
    print(target)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Export a Hugging Face reranker or embedder to a ScoreRT artifact, verified against PyTorch.",
    )
    parser.add_argument("model", metavar="MODEL", help="a checkpoint's folder, or a hub id such as org/name")
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    parser.add_argument("--output", type=Path, default=Path("models"), help="folder to put the artifact in (models)")
    parser.add_argument("--name", type=_name, help="the artifact's name (default: the model's)")
    parser.add_argument(
        "--precision",
        type=_precisions,
        default=["fp32"],
        help=f"one or several of {', '.join(get_args(Precision))}, with commas; the first is served by default (fp32)",
    )
    parser.add_argument(
        "--score-type", choices=["auto", *get_args(ScoreType)], default="auto", help="default: what the files say"
    )
    parser.add_argument("--max-length", type=int, help="longest input in tokens (default: the checkpoint's)")
    parser.add_argument("--hf-overrides", type=_overrides, default={}, metavar="JSON", help="changes to config.json")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the checkpoint's own Python code")
    parser.add_argument("--force", action="store_true", help="replace an artifact of the same name")
    return parser


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
