"""Runs the server process, from its settings to an orderly end."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from engine import Engine, ScoreRTError, cores
from engine.command import DONE, REFUSED, say

from .app import create_app
from .connections import Connections
from .listening import Listener, bind
from .models import Models
from .observing.logs import configure
from .protocol import Config
from .settings.errors import SettingsError
from .settings.settings import Network, Settings

# Longer than the minute that load balancers keep an idle connection, so that they never send on one just closed.
_KEEP_ALIVE = 75

# How long the process may take to end once requests were cut off, in seconds: a choice. A run of a graph, or one text
# that is being tokenised, cannot be interrupted.
_LAST = 2

# A terminal that is closed sends SIGHUP.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_LOGGER = logging.getLogger("scorert")


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C, and finish what is in flight within `--shutdown-timeout`.

    Returns the exit code: 0, or 2 where something keeps the server from starting, which is one sentence on stderr.
    """
    listener = None
    try:
        connections = Connections(settings.network.max_connections, settings.network.head_timeout)
        listener = bind(settings.network)
        models = Models.load(settings)
        configure(settings.observing.log_format, settings.observing.log_level)
        app = create_app(models, settings)
    except (SettingsError, ScoreRTError) as error:
        if listener is not None:
            listener.remove()
        return say(str(error), REFUSED)
    threads = settings.serving.threads or cores()
    # uvicorn takes signals over, and once it has shut down it raises each that it got again, which are then heeded.
    for number in _ENDING:
        signal.signal(number, lambda *_: None)
    _Server(models, app, connections, threads, listener, settings.network).run([listener.socket])
    return DONE


class _Server(uvicorn.Server):
    """uvicorn, saying what it serves when it does, and ending in bounded time."""

    def __init__(
        self,
        models: Models,
        app: ASGIApp,
        connections: Connections,
        threads: int,
        listener: Listener,
        network: Network,
    ) -> None:
        options = {"log_config": None, "access_log": False, "server_header": False, "root_path": network.root_path}
        super().__init__(Config(app, connections, timeout_keep_alive=_KEEP_ALIVE, **options))
        self._models = models
        self._threads = threads
        self._listener = listener
        self._shutdown_timeout = network.shutdown_timeout

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        signal.signal(signal.SIGHUP, self.handle_exit)
        with super().capture_signals():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would log how far each request was.
        if self.should_exit and sig == signal.SIGINT:
            with suppress(OSError):
                self._listener.remove()
            os._exit(DONE)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        served = ", ".join(map(_description, self._models.served.items()))
        threads = f"{self._threads} CPU thread{'s' * (self._threads > 1)}"
        print(f"ScoreRT serves {served} with {threads} on {self._listener.place}", flush=True)
        for name, engine in self._models.served.items():
            if engine.tried:
                print(f"{name} was tried on {engine.tried}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A thread, since what is still running may keep the event loop and the end of the interpreter waiting.
        last = threading.Timer(self._shutdown_timeout + _LAST, _end)
        last.daemon = True
        last.start()
        self._listener.remove()
        cutting = asyncio.create_task(self._cut_off())
        await super().shutdown(sockets)
        cutting.cancel()

    async def _cut_off(self) -> None:
        """Leave the clients whose requests were not answered in time: their jobs are cancelled, as when they leave."""
        await asyncio.sleep(self._shutdown_timeout)
        connections = list(self.server_state.connections)
        were = f"connection{'s were' if len(connections) > 1 else ' was'}"
        told = f"{len(connections):,} {were} cut off after {self._shutdown_timeout:g} s (--shutdown-timeout)"
        _LOGGER.warning("%s", told)
        for connection in connections:
            connection.transport.abort()


def _end() -> None:
    """End the process whatever it is doing."""
    _LOGGER.warning("What was still running was given up.")
    sys.stdout.flush()
    os._exit(DONE)


def _description(served: tuple[str, Engine]) -> str:
    name, engine = served
    return f"{name} ({engine.manifest.score_type}, {engine.graph.precision}, {engine.provider})"
