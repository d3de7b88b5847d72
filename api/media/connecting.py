"""Connects to public addresses alone, and lets nothing on a connection take longer than its fetch may.

httpcore asks for a connection by the name of a host. Here it is resolved, once; the addresses are checked, and one of
them is connected to, so that no second answer of a name server can lead elsewhere. The name stays what TLS asks the
certificate for, and what requests call the host.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import httpcore

from engine import Job

from .addresses import is_public

Resolve: TypeAlias = Callable[[str], Sequence[str]]
"""Gives the addresses of a host. Raises `OSError`."""

_CONNECT_TIMEOUT = 3.0
"""Seconds for each address: a host may have others that answer."""

_ALLOWANCE: ContextVar[tuple[float, Job]] = ContextVar("_ALLOWANCE")
"""The `time.monotonic()` at which this thread's fetch is over, and its job. Connections outlive fetches, and httpcore
bounds only each wait, of which a slow host can cause any number."""


def resolve(host: str) -> list[str]:
    """The addresses of a host, as the system gives them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@contextmanager
def within(seconds: float, job: Job) -> Iterator[None]:
    """Let this thread's connections wait no longer than that in all, and no longer than the job has."""
    remaining = job.remaining()
    until = time.monotonic() + (seconds if remaining is None else min(seconds, remaining))
    token = _ALLOWANCE.set((until, job))
    try:
        yield
    finally:
        _ALLOWANCE.reset(token)


def _left(timeout: float | None) -> float:
    """How long the next wait may be. Raises `httpcore.TimeoutException`, and the job's error where it has ended."""
    until, job = _ALLOWANCE.get()
    job.check()
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.TimeoutException
    return left if timeout is None else min(left, timeout)


class PublicNetwork(httpcore.NetworkBackend):
    """Connections to hosts by their names, at addresses that are all public."""

    def __init__(self, resolve: Resolve, network: httpcore.NetworkBackend, resolutions: int) -> None:
        """`network` connects to addresses; `resolutions` are made at a time."""
        self._resolve = resolve
        self._network = network
        # A resolver cannot be told how long it may take, so that others wait for it.
        self._resolvers = ThreadPoolExecutor(resolutions, thread_name_prefix="scorert-resolver")

    def close(self) -> None:
        """Resolve nothing any more."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers. Raises `OSError` and httpcore's errors.

        Where one address is not public none is used: a name that is half private is nobody's mistake.
        """
        addresses = self._resolvers.submit(self._resolve, host).result(_left(timeout))
        if not addresses or not all(map(is_public, addresses)):
            raise httpcore.ConnectError
        failed: Exception = httpcore.ConnectError()
        for address in dict.fromkeys(addresses):
            try:
                stream = self._network.connect_tcp(
                    address, port, min(_left(timeout), _CONNECT_TIMEOUT), local_address, socket_options
                )
                return _Stream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class _Stream(httpcore.NetworkStream):
    """A connection that waits no longer than the fetch that uses it may."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
