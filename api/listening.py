"""Binds what the server listens on: an address and port, or a Unix socket."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .settings.errors import SettingsError
from .settings.settings import Network

# As uvicorn does it: whoever may enter the folder may connect, as any user of the machine may to a port.
_MODE = 0o666


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that is bound but does not listen yet: what is taken is found before models load, and none connects.

    `remove` takes away what the socket left in the file system, and is called while the socket is still open.
    """

    socket: socket.socket
    place: str
    """Such as "http://127.0.0.1:8000" or "unix:/run/scorert.sock"."""
    remove: Callable[[], None] = lambda: None


def bind(network: Network) -> Listener:
    """The listener of `--uds`, or else of `--host` and `--port`. Raises `SettingsError` where there can be none."""
    return _bind_address(network.host, network.port) if network.uds is None else _bind_file(network.uds)


def _bind_address(host: str, port: int) -> Listener:
    if not host:
        raise SettingsError("--host is empty: give it an address, or 0.0.0.0 for all.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except UnicodeError:
        raise SettingsError(f"{host!a} is no name of a host and no address: choose another --host.") from None
    except OSError as error:
        raise SettingsError(
            f"{host} port {port} cannot be listened on ({error.strerror}): choose another --host or --port."
        ) from None
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return Listener(listener, f"http://{host}:{port}")


def _bind_file(path: Path) -> Listener:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if _is_left_over(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(_MODE)
        own = path.lstat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{path} cannot be listened on ({reason}): choose another --uds.") from None

    def remove() -> None:
        # Another server may have its own there by now.
        try:
            if os.path.samestat(path.lstat(), own):
                path.unlink()
        except OSError:
            pass

    return Listener(listener, f"unix:{path}", remove)


def _is_left_over(path: Path) -> bool:
    """Whether a socket is there that no process has open any more. Raises `OSError` for whatever else is there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "something else than a socket is there")
    # Of another type than servers' sockets: those refuse it, without noticing, also before they listen.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
    raise FileExistsError(errno.EADDRINUSE, "another server has it")
