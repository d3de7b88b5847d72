"""Starts a ScoreRT server as a child process."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class StartError(Exception):
    """The server ended before it was ready; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready, `ready_after` seconds after its process was started."""

    process: subprocess.Popen[bytes]
    url: str
    ready_after: float

    def stop(self) -> None:
        """Let it finish what is in flight, and wait for its end."""
        self.process.terminate()
        self.process.wait()


def start_server(log: Path, *arguments: str) -> Server:
    """Start `python -m api` with `arguments` on this machine alone, and wait until it is ready.

    What it prints goes to `log`. Raises `StartError`. For the main thread alone, which signals interrupt.
    """
    started = time.perf_counter()
    process = None
    try:
        with log.open("wb") as output, _signals_held_back():
            process = subprocess.Popen(
                [sys.executable, "-m", "api", "--host", "127.0.0.1", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Out of the terminal's reach: Ctrl-C and hanging up are for the caller to act on.
                start_new_session=True,
            )
        while process.poll() is None:
            if ready := re.search(r"on (http://\S+)\n", log.read_text(encoding="utf-8")):
                return Server(process, ready[1], time.perf_counter() - started)
            time.sleep(0.01)
    except BaseException:
        if process is not None:
            process.terminate()
            process.wait()
        raise
    raise StartError(log.read_text(encoding="utf-8").strip())


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Signals that come meanwhile are acted on afterwards: there would be a process that nothing here knows of yet."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # Not blocked, which a child inherits.
    for number in handlers:
        signal.signal(number, lambda signalled, _: came.append(signalled))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for signalled in came:
        signal.raise_signal(signalled)
