"""What the server does before it serves; `tests/e2e/test_process.py` has the rest."""

import socket
from typing import Any

import pytest

from api.server import _bind
from api.settings.errors import SettingsError
from api.settings.settings import Network


def test_a_bound_port_takes_no_connection_yet() -> None:
    listener = _bind(Network("127.0.0.1", 0))
    with listener, socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(listener.getsockname())


def test_addresses_of_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which family an address is of, the system says; whether this machine has it, the container's owner."""
    made: list[Any] = []

    class Socket:
        def __init__(self, *kind: Any) -> None:
            made.append(kind[0])

        def setsockopt(self, *_: Any) -> None: ...

        def bind(self, address: Any) -> None:
            made.append(address[:2])

    monkeypatch.setattr(socket, "socket", Socket)
    _bind(Network("::1", 8000))
    _bind(Network("127.0.0.1", 8001))
    assert made == [socket.AF_INET6, ("::1", 8000), socket.AF_INET, ("127.0.0.1", 8001)]


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^192\.0\.2\.1 port 8000 cannot be listened on \(.*\): choose another"):
        _bind(Network("192.0.2.1", 8000))
