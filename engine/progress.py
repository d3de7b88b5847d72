"""Tells on stderr how far a long command has come: in place on a terminal, line by line elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.status import Status

# How often a count is told where lines stay, in seconds. A choice: enough to see that it goes on, and a short log.
_BETWEEN_LINES = 10.0


class Progress:
    """Shows what is being done, and says what has been done."""

    def __init__(self, console: Console | None = None) -> None:
        """Without a `console`: stderr's."""
        self._console = console or Console(stderr=True)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block, and say the seconds when it ends well."""
        started = time.perf_counter()
        with self._shown(name):
            yield
        self.say(f"{name}: {time.perf_counter() - started:.1f} s")

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
                    status.update(line)
                elif now - told >= _BETWEEN_LINES:
                    told = now
                    self.say(line)

            yield report

    def _shown(self, text: str) -> contextlib.AbstractContextManager[Status | None]:
        """On a terminal, `text` behind a spinner for as long as the context lasts."""
        return self._console.status(text) if self._console.is_terminal else contextlib.nullcontext()
