"""Records one request: filled in on its way, and given to logs, metrics and traces when it is over."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from engine import Job

from .phases import phases

# Seconds of waiting for a client that a line of text has room for: a choice.
_TOLD = 0.01


@dataclass(slots=True)
class Record:
    """One request. `started` is in seconds since 1970; `seconds` is how long the server was at work on it.

    What it waited for its client is apart: `receiving` is until the body's last byte, `sending` is from the first byte
    of the answer to the last that the connection took.

    `path` is the one of the routing table, such as "/v1/rerank", and "" where none matched. `model`, `job` and
    `pairs` stay unset for requests that never reach an engine.
    """

    request_id: str
    method: str
    url_path: str
    client: str | None
    headers: Mapping[str, str] = field(repr=False)
    """With its key, so they are left out wherever a record is printed."""
    started: float = field(default_factory=time.time)
    path: str = ""
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    seconds: float = 0.0
    receiving: float = 0.0
    sending: float = 0.0
    model: str | None = None
    job: Job | None = None
    dialect: str = ""
    """Whose words the request is in, and so its answer; "" as long as it could be several's."""
    pairs: int = 0
    """Queries with documents, or texts to embed, that the request asked for."""
    error: str | None = None
    """The sentence that its client was told, or the exception where the server failed."""
    began: float = field(default_factory=time.perf_counter)
    """When it started, on the clock of a job's marks."""

    @property
    def total_seconds(self) -> float:
        """From its first byte to the answer's last."""
        return self.receiving + self.seconds + self.sending

    def __str__(self) -> str:
        """Such as "POST /rerank 200 12.3 ms  minilm 20 pairs 1,504 tokens  tokenise 0.9 wait 0.1  id=ab12"."""
        # As it stood in the request line: without spaces, so that a path cannot pass for what follows it.
        path = quote(self.url_path, safe="/%:@!$&'()*+,;=~", errors="replace")
        parts = [f"{escaped(self.method)} {path} {self.status:d} {self.seconds * 1000:.1f} ms"]
        if self.model is not None:
            tokens = self.job.tokens if self.job is not None else 0
            parts.append(f"{escaped(self.model)} {self.pairs:,} pairs {tokens:,} tokens")
        if times := [f"{phase.name} {phase.seconds * 1000:.1f}" for phase in phases(self.job)]:
            parts.append(" ".join(times))
        waits = {"receive": self.receiving, "send": self.sending}
        if slow := [f"{name} {seconds * 1000:.1f}" for name, seconds in waits.items() if seconds >= _TOLD]:
            parts.append(" ".join(slow))
        parts.append(f"client={escaped(self.client or '-')} id={escaped(self.request_id)}")
        if self.error is not None:
            parts.append(escaped(self.error))
        return "  ".join(parts)


Observer = Callable[[Record], None]
"""Called once for each request, on the event loop, when it is over."""


def escaped(text: str) -> str:
    r"""Line breaks, terminal controls and invisible characters as `\n`, `\x1b` and so on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
