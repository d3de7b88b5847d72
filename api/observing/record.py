"""Records one request: filled in on its way, and given to logs, metrics and traces when it is over."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from engine import Job


@dataclass(slots=True)
class Record:
    """One request. `started` is in seconds since 1970, `seconds` from then to the last byte sent.

    `path` is the one of the routing table, such as "/v1/rerank", and "" where none matched. `model`, `job` and
    `pairs` stay unset for requests that never reach an engine.
    """

    request_id: str
    method: str
    url_path: str
    client: str | None
    headers: Mapping[str, str]
    started: float = field(default_factory=time.time)
    path: str = ""
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    seconds: float = 0.0
    model: str | None = None
    job: Job | None = None
    pairs: int = 0
    """Queries with documents, or texts to embed, that the request asked for."""
    error: str | None = None
    """The sentence that its client was told, or the exception where the server failed."""
    began: float = field(default_factory=time.perf_counter)
    """When it started, on the clock of a job's marks."""


Observer = Callable[[Record], None]
"""Called once for each request, on the event loop, when it is over."""
