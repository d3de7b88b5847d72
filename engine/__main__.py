"""Runs `python -m engine`: finds the command that its first argument names."""

import sys
from collections.abc import Sequence
from importlib import import_module

from .command import DONE, Parser, carry_out

COMMANDS = {
    "index": "compute documents' embeddings ahead of their queries",
    "info": "say what an artifact or an index is",
    "verify": "check an artifact's files, and that its graphs compute what they should here",
    "doctor": "say what this machine can run, and what is installed",
}


def main(arguments: Sequence[str] | None = None, command: str = "python -m engine") -> int:
    """Run one command. `command` is what the user typed before the arguments. Returns the exit code."""
    given = sys.argv[1:] if arguments is None else [*arguments]
    if given and given[0] in COMMANDS:
        module = import_module(f".commands.{given[0]}", __package__)
        code: int = module.main(given[1:], f"{command} {given[0]}")
        return code
    return carry_out(lambda: _help(given, command), (), "nothing was done.")


def _help(arguments: Sequence[str], command: str) -> int:
    """Print the help where that is asked for. Raises `UsageError` for anything else."""
    parser = Parser(command, "Work on artifacts without a server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, does in COMMANDS.items():
        commands.add_parser(name, help=does, description=does)
    parser.parse_args(arguments)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
