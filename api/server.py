"""Runs the server process, from its settings to an orderly end."""

import socket

import uvicorn
from starlette.types import ASGIApp

from engine import Engine, ScoreRTError, cores
from engine.command import DONE, REFUSED, say

from .app import create_app
from .models import Models
from .observing.logs import configure
from .protocol import Protocol
from .settings.errors import SettingsError
from .settings.settings import Network, Settings

# Longer than the minute that load balancers keep an idle connection, so that they never send on one just closed.
_KEEP_ALIVE = 75


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C, and finish what is in flight.

    Returns the exit code: 0, or 2 where something keeps the server from starting, which is one sentence on stderr.
    """
    try:
        listener = _bind(settings.network)
        models = Models.load(settings)
        configure(settings.observing.log_format, settings.observing.log_level)
        app = create_app(models, settings)
    except (SettingsError, ScoreRTError) as error:
        return say(str(error), REFUSED)
    _Server(models, app, settings.serving.threads or cores()).run([listener])
    return DONE


class _Server(uvicorn.Server):
    """uvicorn, saying what it serves when it does."""

    def __init__(self, models: Models, app: ASGIApp, threads: int) -> None:
        config = uvicorn.Config(
            app, http=Protocol, log_config=None, access_log=False, server_header=False, timeout_keep_alive=_KEEP_ALIVE
        )
        super().__init__(config)
        self._models = models
        self._threads = threads

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            served = ", ".join(map(_description, self._models.served.items()))
            threads = f"{self._threads} CPU thread{'s' * (self._threads > 1)}"
            print(f"ScoreRT serves {served} with {threads} on http://{host}:{port}", flush=True)
        for name, engine in self._models.served.items():
            if engine.tried:
                print(f"{name} was tried on {engine.tried}", flush=True)


def _description(served: tuple[str, Engine]) -> str:
    name, engine = served
    return f"{name} ({engine.manifest.score_type}, {engine.graph.precision}, {engine.provider})"


def _bind(network: Network) -> socket.socket:
    """A socket bound but not listening, so that a taken port is found before models load and none connects too soon."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            network.host, network.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise SettingsError(
            f"{network.host} port {network.port} cannot be listened on ({error.strerror}): choose another --host or "
            f"--port."
        ) from None
    return listener
