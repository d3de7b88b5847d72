"""Reads a command's arguments and ends it with a sentence and an exit code, the same way for every command."""

import argparse
import signal
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import __version__

DONE, REFUSED, NOT_VERIFIED, INTERRUPTED = 0, 2, 3, 130
"""Exit codes. 130 is what a shell gives for Ctrl-C."""


class UsageError(Exception):
    """Arguments that cannot be read. The message is one sentence, with the command that lists those that can."""


class Parser(argparse.ArgumentParser):
    """Parses the arguments of `prog`, the command as its user typed it, such as "scorert serve".

    Options cannot be abbreviated, so that a new one breaks no script. `--version` prints ScoreRT's version.
    `examples` are arguments, printed at the end of the help with `prog` before each. Raises `UsageError` where argparse
    prints its usage and exits.
    """

    def __init__(self, prog: str, description: str, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False, **options)
        self._examples = examples
        self.add_argument(
            "--version",
            action="version",
            version=f"ScoreRT {__version__}",
            default=argparse.SUPPRESS,
            help="print ScoreRT's version and exit",
        )

    def format_help(self) -> str:
        lines = [f"  {self.prog} {example}\n" for example in self._examples]
        return super().format_help() + "".join(["\nexamples:\n", *lines] if lines else [])

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}; see `{self.prog} --help`.")


def carry_out(
    work: Callable[[], int], say: Callable[[str], None], refusals: tuple[type[Exception], ...], unfinished: str
) -> int:
    """Do a command's work and return its exit code: `work`'s own, 2 for `refusals` and `UsageError`, 130 for a signal.

    SIGTERM interrupts as Ctrl-C does, so that `work` clears up behind itself; `unfinished` then says what it left.
    For the main thread alone, because Python allows no other to handle signals.
    """
    refused: tuple[type[Exception], ...] = (UsageError, *refusals)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work()
    except KeyboardInterrupt:
        say(f"interrupted: {unfinished}")
        return INTERRUPTED
    except refused as error:
        say(f"error: {error}")
        return REFUSED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
