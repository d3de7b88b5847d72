"""How the time of a request grows with the length of its documents, and with their number."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine import Engine

from .contenders import pair_lengths
from .floating_point import Shape
from .workload import Request, make_request

LENGTHS = (64, 128, 256, 512)
NUMBERS = (10, 30, 100, 300, 1000)
_TIMES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """`at` tokens or documents: microseconds a token, and nanoseconds a floating-point operation of the model's."""

    at: int
    a_token: float
    an_operation: float


def over_length(engines: dict[str, Engine], shape: Shape) -> dict[str, list[Cost]]:
    """20 documents, each filling its pair to so many tokens."""
    request = make_request(20)
    long = Request(request.query, [text * 20 for text in request.documents])
    return _costs(engines, shape, dict.fromkeys(LENGTHS, long), cut=True)


def over_number(engines: dict[str, Engine], shape: Shape) -> dict[str, list[Cost]]:
    """Documents of usual lengths."""
    request = make_request(NUMBERS[-1])
    return _costs(
        engines, shape, {number: Request(request.query, request.documents[:number]) for number in NUMBERS}, cut=False
    )


def growth(costs: Sequence[Cost]) -> float:
    """The most that an operation costs where there is more to do, over what it costs where there is least."""
    least, *more = costs
    return max(cost.an_operation for cost in more) / least.an_operation


def _costs(engines: dict[str, Engine], shape: Shape, requests: dict[int, Request], cut: bool) -> dict[str, list[Cost]]:
    """Engines take turns; of each one's times the least, since whatever else goes on only adds to them."""
    seconds: dict[tuple[str, int], list[float]] = {}
    counter = next(iter(engines.values()))
    limits = {at: at if cut else counter.manifest.max_length for at in requests}
    lengths = {at: pair_lengths(counter, request, limits[at]) for at, request in requests.items()}
    for _ in range(_TIMES):
        for at, request in requests.items():
            for name, engine in engines.items():
                started = time.perf_counter()
                engine.score(request.query, request.documents, truncate_prompt_tokens=limits[at])
                seconds.setdefault((name, at), []).append(time.perf_counter() - started)
    return {
        name: [
            Cost(
                at,
                1e6 * min(seconds[name, at]) / sum(lengths[at]),
                1e9 * min(seconds[name, at]) / shape.operations(lengths[at]),
            )
            for at in requests
        ]
        for name in engines
    }
