"""Runs ScoreRT's commands, such as `scorert export` and `scorert serve`.

A command's package is imported when it is asked for: serving needs no transformers, and `scorert --help` nothing.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Command(NamedTuple):
    """One command: `package.__main__.main` with `arguments` before those of its user.

    `typed` is what that function's messages call the command by.
    """

    package: str
    typed: str
    arguments: tuple[str, ...]
    does: str
    example: str


def _of_engine(name: str, does: str, example: str) -> Command:
    """One that `python -m engine` has under the same name."""
    return Command("engine", "scorert", (name,), does, example)


COMMANDS = {
    "export": Command(
        package="export",
        typed="scorert export",
        arguments=(),
        does="turn a checkpoint into an artifact",
        example="cross-encoder/ms-marco-MiniLM-L6-v2 --precision fp32,int8",
    ),
    "serve": Command(
        package="api",
        typed="scorert serve",
        arguments=(),
        does="answer over HTTP with the scores of artifacts",
        example="--model models/ms-marco-MiniLM-L6-v2 --port 8000",
    ),
    "index": _of_engine(
        "index",
        does="compute documents' embeddings ahead of their queries",
        example="models/all-MiniLM-L6-v2 docs.jsonl --output indexes/docs",
    ),
    "info": _of_engine("info", does="say what an artifact or an index is", example="models/ms-marco-MiniLM-L6-v2"),
    "verify": _of_engine(
        "verify",
        does="check an artifact's files, and that its graphs compute what they should here",
        example="models/ms-marco-MiniLM-L6-v2",
    ),
    "doctor": _of_engine("doctor", does="say what this machine can run, and what is installed", example="--json"),
}
_PACKAGES = ("api", "engine", "export")
_FOLDER = str(Path(__file__).resolve().parent)
_UNWRITTEN, _REFUSED, _UNREAD = 1, 2, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names with the others, and return its exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        return _say(_help())
    if OwnPackages not in sys.meta_path:
        sys.meta_path.insert(0, OwnPackages)
    if name == "--version":
        return _say(f"ScoreRT {_version()}")
    if name not in COMMANDS:
        return _refuse(f"{name} is not a command: use {', '.join(COMMANDS)}, or see `scorert --help`.")
    command = COMMANDS[name]
    module = importlib.import_module(f"{command.package}.__main__")
    code: int = module.main([*command.arguments, *rest], command.typed)
    return code


def _help() -> str:
    commands = "\n".join(f"  {name:8}{command.does}" for name, command in COMMANDS.items())
    examples = "\n".join(f"  scorert {name} {command.example}" for name, command in COMMANDS.items())
    return f"""usage: scorert COMMAND ...

Relevance scores from Hugging Face rerankers and embedders, exported once to ONNX and served without PyTorch.

commands:
{commands}

options:
  -h, --help  show this help message and exit
  --version   print ScoreRT's version and exit

`scorert COMMAND --help` lists what a command takes.

examples:
{examples}"""


def _version() -> str:
    """Read and not imported, so that it needs nothing that is not installed."""
    content = (Path(_FOLDER) / "engine" / "__init__.py").read_text(encoding="utf-8")
    return content.partition('__version__ = "')[2].partition('"')[0]


def _say(text: str) -> int:
    if sys.stdout is None:  # closed, by `>&-`
        return _refuse("Standard output is closed.", _UNWRITTEN)
    try:
        print(text, flush=True)
    except OSError as error:
        # Or Python says so when it flushes the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _UNREAD
        return _refuse(f"Standard output could not be written: {error.strerror}.", _UNWRITTEN)
    return 0


def _refuse(sentence: str, code: int = _REFUSED) -> int:
    with contextlib.suppress(OSError):
        print(f"error: {sentence}", file=sys.stderr)
    return code


class OwnPackages:
    """Finds `api`, `engine` and `export` beside this file, wherever else on the path others of these names are.

    Their names are common: a project that serves models has an `api` of its own, and its folder comes first on the path
    with `python -m scorert`, or where PYTHONPATH has it.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Called by Python's import system for every module."""
        return PathFinder.find_spec(name, [_FOLDER]) if name in _PACKAGES else None


if __name__ == "__main__":
    sys.exit(main())
