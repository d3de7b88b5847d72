"""Tells on stderr how far a long command has come: in place on a terminal, line by line elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from rich.console import Console
from rich.status import Status
from rich.text import Text

# How often something is told where lines stay, and on a terminal, in seconds. Choices: enough to see that it goes on,
# and a short log.
_BETWEEN_LINES = 10.0
_BETWEEN_UPDATES = 0.5

Report: TypeAlias = Callable[[float, float], None]
"""Hears how much of a stage is done, and how much there is to do."""


def unheard(done: float, of: float) -> None:
    """A `Report` to nobody."""


def part(report: Report, begin: float, end: float) -> Report:
    """For what is done of a stage from its part `begin` to its part `end`."""
    return lambda done, of: report(begin + (end - begin) * done / of, 1)


def parts(report: Report, count: int) -> Iterator[Report]:
    """For what is done of each of so many equal parts of a stage, in turn."""
    return (part(report, number / count, (number + 1) / count) for number in range(count))


class Progress:
    """Shows what is being done, and says what has been done."""

    def __init__(self, console: Console | None = None) -> None:
        """Without a `console`: stderr's, also while others' output is kept from it."""
        self._console = console or Console(file=sys.stderr)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """A function to call in the block with what is done of it; says the seconds when the block ends well.

        Meanwhile a terminal shows what part is done and how long the rest may take. Elsewhere a line says that the
        stage begins, and one every some seconds how far it is.
        """
        stage = _Stage(name)
        over = threading.Event()
        with self._shown(name) as status:
            if status is None:
                self.say(f"{name} ...")
            telling = threading.Thread(target=self._tell, args=(stage, status, over), daemon=True)
            telling.start()
            try:
                yield stage.report
            finally:
                over.set()
                telling.join()
        self.say(f"{name}: {stage.seconds:.1f} s")

    def _tell(self, stage: "_Stage", status: Status | None, over: threading.Event) -> None:
        while not over.wait(_BETWEEN_LINES if status is None else _BETWEEN_UPDATES):
            if status is None:
                self.say(f"  {stage.line()}")
            else:
                status.update(Text(stage.line()))

    @contextlib.contextmanager
    def counting(self, noun: str) -> Iterator[Callable[[int, int], None]]:
        """A function to call in the block with the number of `noun` that are done, and of all."""
        began = told = time.monotonic()
        with self._shown(noun) as status:

            def report(done: int, of: int) -> None:
                nonlocal told
                now = time.monotonic()
                pace = done / max(now - began, 1e-9)
                line = f"{done:,} of {of:,} {noun}, {pace:,.0f} a second, {(of - done) / pace / 60:,.0f} min left"
                if status is not None:
                    status.update(Text(line))
                elif now - told >= _BETWEEN_LINES:
                    told = now
                    self.say(line)

            yield report

    def _shown(self, text: str) -> contextlib.AbstractContextManager[Status | None]:
        """On a terminal, `text` behind a spinner for as long as the context lasts."""
        return self._console.status(Text(text)) if self._console.is_terminal else contextlib.nullcontext()


class _Stage:
    """Knows how far a stage is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._part = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def report(self, done: float, of: float) -> None:
        self._part = min(1.0, done / of) if of else 0.0

    def line(self) -> str:
        """How much is done, since when, and how long the rest takes if it goes on like that."""
        seconds = self.seconds
        if not self._part:
            return f"{self._name}: {seconds:.0f} s"
        left = seconds * (1 - self._part) / self._part
        return f"{self._name}: {self._part:.0%}, {seconds:.0f} s, about {_span(left)} left"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
