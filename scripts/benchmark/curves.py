"""Measures how the time of a request grows with the length of its documents, and with their number."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine import Engine

from .contenders import pair_lengths
from .floating_point import Shape
from .workload import Request, make_request

LENGTHS = (64, 128, 256, 512)
NUMBERS = (10, 100, 1000)
_TIMES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """`at` tokens or documents: microseconds a token, and nanoseconds a floating-point operation of the model's."""

    at: int
    a_token: float
    an_operation: float


def over_length(engines: dict[str, Engine], shape: Shape) -> dict[str, list[Cost]]:
    """20 documents that fill their pairs to each of `LENGTHS`, as often as makes the same number of tokens."""
    request = make_request(20)
    long = Request(request.query, [text * 20 for text in request.documents])
    return _costs(engines, shape, {length: [long] * (LENGTHS[-1] // length) for length in LENGTHS}, cut=True)


def over_number(engines: dict[str, Engine], shape: Shape) -> dict[str, list[Cost]]:
    """The same documents of usual lengths, in requests of each of `NUMBERS`."""
    whole = make_request(NUMBERS[-1])
    requests = {
        number: [
            Request(whole.query, whole.documents[begin : begin + number]) for begin in range(0, NUMBERS[-1], number)
        ]
        for number in NUMBERS
    }
    return _costs(engines, shape, requests, cut=False)


def growth(costs: Sequence[Cost]) -> float:
    """The most that an operation costs where there is more to do, over what it costs where there is least."""
    least, *more = costs
    return max(cost.an_operation for cost in more) / least.an_operation


def _costs(
    engines: dict[str, Engine], shape: Shape, requests: dict[int, list[Request]], cut: bool
) -> dict[str, list[Cost]]:
    """Medians. Engines take turns and compute as much at each point, so that other load is in all alike."""
    seconds: dict[tuple[str, int], list[float]] = {}
    counter = next(iter(engines.values()))
    limits = {at: at if cut else counter.manifest.max_length for at in requests}
    lengths = {
        at: [length for request in some for length in pair_lengths(counter, request, limits[at])]
        for at, some in requests.items()
    }
    for _ in range(_TIMES):
        for at, some in requests.items():
            for name, engine in engines.items():
                started = time.perf_counter()
                for request in some:
                    engine.score(request.query, request.documents, truncate_prompt_tokens=limits[at])
                seconds.setdefault((name, at), []).append(time.perf_counter() - started)
    return {
        name: [_cost(at, statistics.median(seconds[name, at]), lengths[at], shape) for at in requests]
        for name in engines
    }


def _cost(at: int, seconds: float, lengths: Sequence[int], shape: Shape) -> Cost:
    return Cost(at, 1e6 * seconds / sum(lengths), 1e9 * seconds / shape.operations(lengths))
