"""Measures throughput and latency, with contenders taking turns so that other load hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rich.progress import track

from .machine import wait_until_idle
from .workload import Request


@dataclass(frozen=True, slots=True)
class Contender:
    """`clients` threads call `score`, each with one request at a time."""

    name: str
    score: Callable[[Request], object]
    clients: int


@dataclass(slots=True)
class Speed:
    """One entry a round: pairs scored a second, and the median time a request took in milliseconds."""

    pairs_per_second: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)


def measure(contenders: Sequence[Contender], rounds: Sequence[Sequence[Request]]) -> dict[str, Speed]:
    """Each round's requests go to every contender in turn, on an idle machine, after one that does not count."""
    speeds = {contender.name: Speed() for contender in contenders}
    steps = [(requests, contender) for requests in rounds for contender in contenders]
    for requests, contender in track(steps, f"{len(rounds)} rounds"):
        wait_until_idle()
        contender.score(requests[0])
        _run(contender, requests, speeds[contender.name])
    return speeds


def ratio(speeds: dict[str, Speed], name: str, base: str) -> float:
    """How many times faster `name` is than `base`: the median of the rounds' ratios."""
    pairs = zip(speeds[name].pairs_per_second, speeds[base].pairs_per_second, strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def _run(contender: Contender, requests: Sequence[Request], speed: Speed) -> None:
    def timed(request: Request) -> float:
        started = time.perf_counter()
        contender.score(request)
        return time.perf_counter() - started

    with ThreadPoolExecutor(contender.clients) as clients:
        started = time.perf_counter()
        latencies = list(clients.map(timed, requests))
        elapsed = time.perf_counter() - started
    speed.pairs_per_second.append(sum(len(request.documents) for request in requests) / elapsed)
    speed.latency.append(1000 * statistics.median(latencies))
