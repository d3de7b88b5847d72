"""`scripts/server.py` with a process that is interrupted while it starts one."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.server import start_server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_the_server_starts_ends_it(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    previous = signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with pytest.raises(SystemExit, match=str(128 + number)):
            start_server(tmp_path / "log")
    finally:
        signal.signal(number, previous)
    (server,) = started
    assert server.poll() is not None
