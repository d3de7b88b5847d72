"""Runs `python -m export MODEL`, which makes an artifact of a Hugging Face checkpoint or of ONNX graphs."""

import argparse
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from engine.artifact.precisions import Precision
from engine.command import DONE, LONGEST_NAME, NOT_VERIFIED, Parser, carry_out, say
from engine.extras import needing
from engine.text.surrogates import is_utf8

from .errors import ExportError, VerificationError


def main(arguments: Sequence[str] | None = None, command: str = "python -m export") -> int:
    """Run one export. `command` is what the user typed before the arguments.

    Returns the exit code: 0, 2 for a refusal, 3 for a graph that strays too far, 130 for an interrupt.
    """

    def work() -> int:
        try:
            artifact = _run(arguments, command)
            print(artifact)
            serve = "scorert serve" if command.startswith("scorert") else "python -m api"
            say(f"next: {serve} --model {shlex.quote(str(artifact))}")
        except VerificationError as error:
            say(f"error: {error} No artifact was written.")
            say(f"{'original':>10} {'graph':>10} {'error':>10}  worst pairs")
            for text, want, got in error.worst:
                say(f"{want:10.5f} {got:10.5f} {abs(got - want):10.5f}  {' '.join(text.split())[:100]}")
            return NOT_VERIFIED
        return DONE

    return carry_out(work, (ExportError,), "no artifact was written.")


def _run(arguments: Sequence[str] | None, command: str) -> Path:
    # Imported here, so that the help and a refusal of arguments come at once, and where something is missing, too.
    with needing("Exporting", "export"):
        options = _parse(arguments, command)
        from engine.progress import Progress
    with needing(*("Importing graphs", "import") if options.from_onnx is not None else ("Exporting", "export")):
        from .run import run
    return run(options, Progress())


def _parse(arguments: Sequence[str] | None, command: str) -> argparse.Namespace:
    parser = _parser(command)
    options = parser.parse_args(arguments)
    if (options.model is None) == (options.from_onnx is None):
        parser.error("give MODEL, or --from-onnx with a folder or hub id that has ONNX graphs")
    if options.from_onnx is not None and options.exporter is not None:
        parser.error("--exporter makes graphs of MODEL, and --from-onnx takes those that are there: give one of them")
    options.exporter = options.exporter or "transformers"
    if options.max_memory is not None and (options.from_onnx is not None or options.exporter != "transformers"):
        parser.error("--max-memory bounds what graphs of PyTorch weights take: leave it out where those are not traced")
    return options


def _parser(command: str) -> Parser:
    from engine.artifact.artifact import Prompts
    from engine.score_types import ScoreTypeName

    parser = Parser(
        command,
        "Turn a Hugging Face reranker or embedder into a ScoreRT artifact, verified against the original.",
        examples=[
            "cross-encoder/ms-marco-MiniLM-L6-v2 --precision fp32,int8",
            "checkpoints/my-reranker --output models --name reranker",
            "--from-onnx Xenova/all-MiniLM-L6-v2",
        ],
    )
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", type=_text, help="a checkpoint's folder, or a hub id such as org/name"
    )
    parser.add_argument(
        "--from-onnx",
        type=_text,
        metavar="FOLDER_OR_HUB_ID",
        help="instead of MODEL: import the graphs in its folder onnx, or beside its config.json; needs no PyTorch",
    )
    parser.add_argument(
        "--exporter",
        choices=["transformers", "optimum"],
        help="what makes a graph of MODEL's PyTorch weights (transformers); optimum needs the extra of that name",
    )
    parser.add_argument("--revision", type=_text, help="branch, tag or commit of a hub id")
    parser.add_argument(
        "--output",
        type=lambda text: Path(_text(text)),
        default=Path("models"),
        help="parent folder: the artifact becomes OUTPUT/NAME (models)",
    )
    parser.add_argument("--name", type=_name, help="the artifact's name (default: the model's)")
    parser.add_argument(
        "--precision",
        type=_precisions,
        help=f"one or several of {', '.join(get_args(Precision))}, with commas; the first is served by default "
        "(fp32; with --from-onnx the best there is)",
    )
    parser.add_argument(
        "--score-type", choices=["auto", *get_args(ScoreTypeName)], default="auto", help="default: what the files say"
    )
    parser.add_argument(
        "--prompts",
        choices=get_args(Prompts),
        default="authors",
        help="whose prompts a multimodal model is given, where those of its authors and vLLM's differ (authors)",
    )
    parser.add_argument("--max-length", type=int, help="longest input in tokens (default: the checkpoint's)")
    parser.add_argument(
        "--provider",
        choices=["tensorrt"],
        help="also make graphs for TensorRT of --precision's fp32 and fp16, and build their plans on this machine's "
        "GPU, for inputs of --max-length, so that serving with --provider tensorrt starts at once (default: none)",
    )
    parser.add_argument(
        "--verify",
        type=_verify,
        metavar="MINUTES",
        default="3",
        help="time for PyTorch to score the verification texts, and for each graph again; a large model is held "
        "against fewer of them, 24 pairs at least; full: all, however long they take (3)",
    )
    parser.add_argument(
        "--max-memory",
        type=_bytes,
        metavar="SIZE",
        help="memory that the export may have, such as 8GB: refused at once where it needs more, by an estimate, and "
        "weights are read from files where that is enough (default: from files above 1 GB of weights)",
    )
    parser.add_argument("--hf-overrides", type=_overrides, default={}, metavar="JSON", help="changes to config.json")
    parser.add_argument(
        "--chat-template",
        type=Path,
        metavar="FILE",
        help="the Jinja score template that a reranker was trained with, kept in the artifact (default: the "
        "checkpoint's, or the one that its family has)",
    )
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
        from .recognition.listing import table

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
    except RecursionError:
        raise argparse.ArgumentTypeError("has too many levels of brackets") from None
    if not isinstance(overrides, dict):
        raise argparse.ArgumentTypeError('must be a JSON object, such as {"max_position_embeddings": 512}')
    return overrides


def _verify(text: str) -> float | None:
    """Seconds; None for all texts."""
    if text == "full":
        return None
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not (0 < minutes < math.inf):
        raise argparse.ArgumentTypeError("must be minutes, such as 3 or 0.5, or full")
    return minutes * 60


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError("must be a size, such as 8GB, 500MB or 6GiB")
    number, unit, binary = found.groups()
    return int(Decimal(number) * (1024 if binary else 1000) ** " kmgt".index(unit or " "))


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    if not is_utf8(text):
        raise argparse.ArgumentTypeError(f"{text} is not UTF-8, which every name must be: rename it")
    return text


def _name(text: str) -> str:
    if "/" in _text(text) or text.startswith("."):
        raise argparse.ArgumentTypeError("must be a plain folder name")
    if len(os.fsencode(text)) > LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"must have at most {LONGEST_NAME} bytes")
    return text


if __name__ == "__main__":
    sys.exit(main())
