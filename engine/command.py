"""Reads a command's arguments and ends it with a sentence and an exit code, the same way for every command."""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .errors import ScoreRTError
from .streams import Unread, Unwritten, close_streams, open_streams
from .text.surrogates import is_utf8

DONE, UNWRITTEN, REFUSED, NOT_VERIFIED, INTERRUPTED, UNREAD = 0, 1, 2, 3, 130, 141
"""Exit codes. 1 is coreutils' for a stdout that is full or closed. 130 is what a shell gives for Ctrl-C, and 141 for a
pipe that nobody reads, as `head` leaves it."""

LONGEST_NAME = 200
"""Of a folder that is made, in bytes: Linux takes 255, and while it is being written its name is longer."""

# What is asked to end: Ctrl-C, `docker stop` and `timeout`, and the end of the terminal.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Seconds, a choice: longer than folders take to be removed.
_AT_ONCE = 3.0


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


def carry_out(work: Callable[[], int], refusals: tuple[type[Exception], ...], unfinished: str) -> int:
    """Do a command's work and return its exit code: `work`'s own, 2 for a refusal, 130 for a signal, 141 where nobody
    reads what it prints, 1 where stdout does not take it.

    `refusals` are errors to be said besides `UsageError`, the engine's, and the system's about a file. Signals that end
    a process interrupt as Ctrl-C does, so that `work` clears up behind itself; `unfinished` then says what it left. For
    the main thread alone, because Python allows no other to handle signals.
    """
    open_streams(told=True)
    refused: tuple[type[Exception], ...] = (UsageError, ScoreRTError, *refusals)
    # A signal that the caller ignores, as `nohup` does, stays ignored.
    previous = {number: own for number in _ENDS if (own := signal.getsignal(number)) != signal.SIG_IGN}
    interrupt = _Interrupt()
    for number in previous:
        signal.signal(number, interrupt)
    try:
        return _told(work, interrupt, refused, unfinished)
    except Unread:
        return UNREAD
    finally:
        close_streams()
        for number, own in previous.items():
            signal.signal(number, own)


def _told(
    work: Callable[[], int], interrupt: "_Interrupt", refused: tuple[type[Exception], ...], unfinished: str
) -> int:
    """Do the work, and say how it ended. Raises `Unread`."""
    try:
        try:
            return work()
        except Exception:
            # Modules in C that are being imported make an ImportError of it.
            if interrupt.came:
                raise KeyboardInterrupt from None
            raise
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        # Python ends itself with SIGINT, whatever the exit code, once one has come out of an `exec` of text, as
        # dataclasses do while they are imported; the next `exec` makes it forget that.
        exec("")
        return say(f"interrupted: {unfinished}", INTERRUPTED)
    except Unwritten as error:
        return say(f"error: Standard output could not be written: {error}.", UNWRITTEN)
    except refused as error:
        return say(f"error: {error}", REFUSED)
    except UnicodeEncodeError as error:
        if is_utf8(error.object):
            raise
        return say(f"error: {error.object} is not UTF-8, which every name must be: rename it.", REFUSED)
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        return say(f"error: {error.filename} cannot be used: {error.strerror}.", REFUSED)


def say(line: str, code: int = DONE) -> int:
    """Print a line on stderr, and return the code."""
    print(line, file=sys.stderr, flush=True)
    return code


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The one of some names that was probably meant: it differs by a slip of the hand."""
    near = get_close_matches(name, names, n=1, cutoff=0.7)
    return near[0] if near else None


def place(text: str) -> Path:
    """The path of an argument. Raises `ArgumentTypeError` for none, which Python takes for the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def legible(name: str) -> str:
    """A name from the command line, as text that can be sent: bytes that the console's encoding lacks are UTF-8."""
    return name if is_utf8(name) else os.fsencode(name).decode("utf-8", "replace")


class _Interrupt:
    """A handler of signals that passes over one that follows on another: `timeout` sends it twice, and the second would
    end the clearing up."""

    def __init__(self) -> None:
        self._last = -math.inf

    @property
    def came(self) -> bool:
        """Whether there has been a signal."""
        return self._last > -math.inf

    def __call__(self, *_: object) -> None:
        before, self._last = self._last, time.monotonic()
        if self._last - before > _AT_ONCE:
            raise KeyboardInterrupt
