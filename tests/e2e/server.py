"""A real server process for tests to talk to."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
API = (sys.executable, "-m", "api")
START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0


class Server:
    """`python -m api` on a free port of 127.0.0.1, from its ready line to the end of the `with` block."""

    def __init__(
        self,
        *arguments: str | Path | float,
        environment: dict[str, str] | None = None,
        command: Sequence[str | Path] = API,
        folder: Path = ROOT,
    ) -> None:
        # Without the lines of ordinary requests, so that what is on stderr went wrong.
        quiet = ["--log-level", "warning", "--host", "127.0.0.1", "--port", "0"]
        self._command = [*map(str, command), *quiet, *map(str, arguments)]
        self._folder = folder
        self._environment = os.environ | (environment or {})

    def __enter__(self) -> Self:
        # A file, because nobody reads while the process runs and a pipe would fill.
        self._stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        assert self.process.stdout is not None
        watchdog = threading.Timer(START_TIMEOUT, self.process.kill)
        watchdog.start()
        self.ready_line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"http://\S+", self.ready_line)
        assert found, f"no ready line but {self.ready_line!r}; stderr: {self.stderr()}"
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, timeout=120)
        assert self.client.get("/health").status_code == 200
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.stop()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._stderr.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT)

    def stderr(self) -> str:
        """What the process has written there so far."""
        self._stderr.seek(0)
        return self._stderr.read()

    def resident_bytes(self) -> int:
        """Memory the process holds, as Linux counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


def run_to_exit(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m api` with arguments it is expected to end on by itself."""
    command = [*API, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
    )
