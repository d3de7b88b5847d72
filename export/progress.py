"""What an export is doing, and how long each stage took."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console


class Progress:
    """Shows stages with a spinner on a terminal, and as plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block and say so when it ends well."""
        started = time.perf_counter()
        status = self._console.status(name) if self._console.is_terminal else contextlib.nullcontext()
        with status:
            yield
        self.say(f"{name}: {time.perf_counter() - started:.1f} s")

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
