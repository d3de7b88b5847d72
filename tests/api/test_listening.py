"""What the server does to be found; `tests/e2e/test_process.py` and `test_unix_socket.py` have the rest."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from api.listening import bind
from api.settings.errors import SettingsError
from api.settings.settings import Network


def test_a_bound_port_takes_no_connection_yet() -> None:
    listener = bind(Network("127.0.0.1", 0)).socket
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
            self.address = address
            made.append(address[:2])

        def getsockname(self) -> Any:
            return self.address

    monkeypatch.setattr(socket, "socket", Socket)
    places = [bind(Network("::1", 8000)).place, bind(Network("127.0.0.1", 8001)).place]
    assert made == [socket.AF_INET6, ("::1", 8000), socket.AF_INET, ("127.0.0.1", 8001)]
    assert places == ["http://[::1]:8000", "http://127.0.0.1:8001"]


def test_no_address_at_all_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^--host is empty: give it an address"):
        bind(Network(host=""))


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^192\.0\.2\.1 port 8000 cannot be listened on \(.*\): choose another"):
        bind(Network("192.0.2.1", 8000))


@pytest.mark.parametrize("host", ["a..b", "a" * 70, "\udcff"])
def test_what_is_no_name_of_a_host_is_one_sentence(host: str) -> None:
    with pytest.raises(SettingsError, match=r"is no name of a host and no address: choose another --host\.$"):
        bind(Network(host, 8000))


class TestUnixSockets:
    def test_whoever_may_enter_the_folder_may_connect_once_it_listens(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        listener = bind(Network(uds=path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with listener.socket, socket.socket(socket.AF_UNIX) as client:
            with pytest.raises(ConnectionRefusedError):
                client.connect(str(path))
            listener.socket.listen()
            client.connect(str(path))

    @pytest.mark.parametrize("listens", [True, False])
    def test_one_in_use_is_refused_and_one_left_over_is_replaced(self, tmp_path: Path, listens: bool) -> None:
        """A server that still loads its models does not listen, and has it all the same."""
        path = tmp_path / "s"
        first = bind(Network(uds=path))
        with first.socket:
            if listens:
                first.socket.listen()
            with pytest.raises(SettingsError, match=r"^\S+/s cannot be listened on \(another server has it\): choose"):
                bind(Network(uds=path))
        second = bind(Network(uds=path))
        with second.socket:
            second.remove()
            assert not path.exists()
            second.remove()

    def test_only_its_own_is_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        first = bind(Network(uds=path))
        path.unlink()
        with first.socket, bind(Network(uds=path)).socket:
            first.remove()
            assert path.is_socket()

    @pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe"])
    def test_whatever_else_is_there_stays_as_it_is(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "s"
        make = {
            "file": lambda: path.write_text("mine"),
            "folder": path.mkdir,
            "link": lambda: path.symlink_to(tmp_path / "nowhere"),
            "pipe": lambda: os.mkfifo(path),
        }
        make[kind]()
        before = path.lstat()
        with pytest.raises(SettingsError, match=r"\(something else than a socket is there\): choose another --uds\.$"):
            bind(Network(uds=path))
        assert path.lstat() == before

    @pytest.mark.parametrize(
        ("name", "reason"),
        [("s" * 120, "AF_UNIX path too long"), ("no/folder", "No such file or directory"), ("a\0b", "embedded null")],
    )
    def test_paths_that_no_socket_can_have_are_one_sentence(self, tmp_path: Path, name: str, reason: str) -> None:
        with pytest.raises(SettingsError, match=rf"cannot be listened on \({reason}.*\): choose another --uds\.$"):
            bind(Network(uds=tmp_path / name))
