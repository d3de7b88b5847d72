"""Sites that answer as they are told, at whatever address a test says they have."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import httpcore

from api.media.fetching import Fetcher
from api.media.settings import MediaSettings
from engine import Job
from tests.engine.images.pictures import picture, saved

PUBLIC = "93.184.216.34"
"""What the names of sites are resolved to, unless a test says otherwise; nothing is sent there."""

PICTURE = picture("RGB", 8, 12, 0)
PNG = saved(PICTURE, "PNG")

Talk = bytes | Callable[[socket.socket], None]
"""What a site sends, or what it does with the connection."""


def response(body: bytes = PNG, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A response with the length of its body, or with the `length` that it claims."""
    fields = {"Content-Length": str(len(body) if length is None else length)} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return response(b"", status, Location=to)


class Site:
    """A server on 127.0.0.1 that answers each path with what `talks` has for it, on connections that it keeps."""

    def __init__(self, talks: Mapping[str, Talk], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        """As they came, each up to its empty line."""
        self.connections = 0
        self._talks = talks
        self._tls = tls
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listener, *self._open]:
            one.close()

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while request := self._request(connection):
                self.requests.append(request)
                talk = self._talks[request.split(b" ")[1].decode()]
                if isinstance(talk, bytes):
                    connection.sendall(talk)
                else:
                    talk(connection)
                    break
        except OSError:  # the other side has left
            pass
        finally:
            connection.close()

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            if not (more := connection.recv(4096)):
                return b""
            request += more
        return request


class Network(httpcore.NetworkBackend):
    """Connects to a site whatever the address, and notes which was asked for."""

    def __init__(self, site: Site | None, refusing: Iterable[str] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self._site = site
        self._refusing = set(refusing)

    def connect_tcp(self, host: str, port: int, *arguments: Any, **more: Any) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        if self._site is None or host in self._refusing:
            raise httpcore.ConnectError
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self._site.port, *arguments, **more)


class Names:
    """A resolver: each name has answers that are given one after the other, the last for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self._answers.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Fetching:
    """A fetcher of one site, whose images `images.example` and `other.example` may be fetched."""

    def __init__(
        self,
        site: Site | None,
        names: Callable[[str], list[str]] | None = None,
        tls: ssl.SSLContext | None = None,
        refusing: Iterable[str] = (),
        **settings: Any,
    ) -> None:
        allowed = {"allowed_domains": ["images.example", "other.example"], "fetch_timeout": 5.0}
        self.names = names or Names()
        self.network = Network(site, refusing)
        self.fetcher = Fetcher(MediaSettings(**(allowed | settings)), self.names, self.network, tls)

    def __call__(self, url: str, job: Job | None = None) -> bytes:
        return self.fetcher.fetch(url, job or Job(timeout=20))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.fetcher.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a site of that name shows, and what clients trust it by."""
    key, shown = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", shown]
    subject = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    site = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    site.load_cert_chain(shown, key)
    return site, ssl.create_default_context(cafile=shown)
