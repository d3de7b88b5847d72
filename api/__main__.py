"""Runs `python -m api`, the server: reads its command line, and says what is not installed."""

import os
import signal
import sys
from collections.abc import Sequence

from engine.command import DONE, REFUSED, say
from engine.errors import NotInstalled
from engine.extras import needing
from engine.streams import open_streams

from .settings.errors import SettingsError

# Set before numpy reads it: similarities are computed on the threads of their requests, while the engine's workers have
# all cores, and threads of one product that wait for each other then take many times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: Sequence[str] | None = None, command: str = "python -m api") -> int:
    """Serve as the arguments ask. `command` is what the user typed before them.

    Returns the exit code: 0, or 2 where something keeps the server from starting, which is one sentence on stderr. A
    server that is told to end before it is up has done what was asked, unlike other commands.
    """
    open_streams(told=False)
    # Before the server is up nothing is in flight. An exception would come to whatever is being imported just then,
    # which may take it for a failure of its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(DONE))
    try:
        # Imported here, where what is not installed can be said, and the server after its settings, which may be wrong.
        with needing(f"`{command}`", "cpu", "gpu"):
            from .settings.reading import read_settings
        settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ, command)
        with needing(f"`{command}`", "cpu", "gpu"):
            from .server import serve
    except (SettingsError, NotInstalled) as error:
        return say(str(error), REFUSED)
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
