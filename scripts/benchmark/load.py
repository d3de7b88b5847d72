"""Servers under more and more clients, each of whom sends its next request when the last one is answered."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .contenders import Scorer
from .machine import wait_until_idle
from .workload import Request

CLIENTS = (1, 2, 4, 8, 16)
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """What `clients` got: pairs a second, and the 50th, 95th and 99th percentile of a request's milliseconds."""

    clients: int
    pairs_per_second: float
    p50: float
    p95: float
    p99: float

    def latency(self) -> tuple[float, float, float]:
        return self.p50, self.p95, self.p99


def under_load(servers: Mapping[str, Scorer], requests: Sequence[Request]) -> dict[str, list[Load]]:
    """Servers take turns at each number of clients, on an idle machine."""
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for clients in CLIENTS:
        for name, score in servers.items():
            wait_until_idle()
            loads[name].append(_load(score, requests, clients))
    return loads


def _load(score: Scorer, requests: Sequence[Request], clients: int) -> Load:
    following = itertools.cycle(requests)
    lock = threading.Lock()
    started = time.perf_counter()

    def client(_: int) -> list[tuple[float, int]]:
        answered = []
        while time.perf_counter() - started < _SECONDS:
            with lock:
                request = next(following)
            sent = time.perf_counter()
            score(request)
            answered.append((time.perf_counter() - sent, len(request.documents)))
        return answered

    with ThreadPoolExecutor(clients) as threads:
        answered = list(itertools.chain.from_iterable(threads.map(client, range(clients))))
    elapsed = time.perf_counter() - started
    milliseconds = 1000 * np.array([seconds for seconds, _ in answered])
    p50, p95, p99 = (float(value) for value in np.percentile(milliseconds, (50, 95, 99)))
    return Load(clients, sum(documents for _, documents in answered) / elapsed, p50, p95, p99)
