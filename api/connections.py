"""Bounds a server's connections: how many there are, and how long one may be without a whole request."""

import logging
import math
import sys
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import Protocol

from .settings.errors import SettingsError

_LOGGER = logging.getLogger("scorert")

# The most that are open at a time where nobody says otherwise, and the part of the descriptors they get: the rest is
# for models, indexes and fetched images. Choices.
_MOST = 8192
_PART = 0.75


class Connection(Protocol):
    """What may be closed to make room: it has no request that is being answered."""

    @property
    def begun(self) -> bool:
        """Whether a part of a head is there."""

    @property
    def unread(self) -> bool:
        """Whether the client has still to take a part of an answer."""

    def make_room(self) -> None:
        """Close it."""


class Connections:
    """Those of one server, all used from its event loop."""

    def __init__(self, limit: int | None, head_timeout: float) -> None:
        """At most `limit` at a time, and None is as many as descriptors leave room for; `head_timeout` is in seconds.

        Raises `SettingsError` for a limit that the descriptors of this process cannot hold.
        """
        descriptors = allowed_descriptors()
        self.limit = limit or max(1, int(min(_MOST, descriptors * _PART)))
        if self.limit >= descriptors:
            raise SettingsError(
                f"--max-connections is {limit:,} and this process may have {descriptors:,} descriptors: lower it, or "
                "raise their limit (ulimit -n)."
            )
        self.head_timeout = head_timeout
        self._waiting: dict[Connection, None] = {}
        """Those without a request, the longest first."""
        self._told: dict[str, int] = {}

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for a request."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def work(self, connection: Connection) -> None:
        """Note that it has one, or is lost."""
        self._waiting.pop(connection, None)

    def admit(self, connection: Connection, there: int, loop: AbstractEventLoop) -> bool:
        """Whether a new connection, which waits, may stay, of `there` that are open with it.

        Another makes room for it where one has no request and no answer to read, those with half a head first.
        """
        if there <= self.limit:
            return True
        others: Iterable[Connection] = [
            waiting for waiting in self._waiting if waiting is not connection and not waiting.unread
        ]
        victim = next((other for other in others if other.begun), next(iter(others), None))
        if victim is None:
            self.tell(f"refused, since {self.limit:,} are open, the most there may be (--max-connections)", loop)
            return False
        self.tell(f"closed without a request to make room: {self.limit:,} may be open (--max-connections)", loop)
        victim.make_room()
        return True

    def tell(self, what: str, loop: AbstractEventLoop) -> None:
        """Log what became of a connection: one line a second for all to which the same happened."""
        if what not in self._told:
            self._told[what] = 0
            loop.call_later(1, self._log, what)
        self._told[what] += 1

    def _log(self, what: str) -> None:
        count = self._told.pop(what)
        _LOGGER.warning("%s", f"{count:,} connection{'s were' if count > 1 else ' was'} {what}")


def allowed_descriptors() -> float:
    """How many files and connections this process may have open."""
    if sys.platform == "win32":
        return math.inf
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft
