"""Holds what was measured against what ScoreRT promises."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine import Batch

from .curves import Cost, growth
from .field import BASELINE, PRECISIONS, PRODUCTS, QUANTIZED_LIBRARY, in_process, library, over_http
from .speed import Speed, ratio


@dataclass(frozen=True, slots=True)
class Bar:
    """What ScoreRT promises of a measured value."""

    name: str
    value: float
    bar: float
    at_most: bool = False

    def text(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bar:g}"

    def holds(self) -> bool:
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def alone(speed: dict[str, Speed], server: Mapping[str, float], batches: Sequence[Batch]) -> list[Bar]:
    """Those that need no peer; `batches` are the engines' runs."""
    seconds, resident, _ = server.values()
    padding = sum(batch.padding for batch in batches)
    fp32 = in_process("fp32", 8)
    return [
        Bar("fp32 in process ÷ one padded batch", ratio(speed, fp32, BASELINE), 3.0),
        Bar("int8 ÷ fp32, in process", ratio(speed, in_process("int8", 8), fp32), 1.35),
        Bar("int8-fast ÷ fp32, in process", ratio(speed, in_process("int8-fast", 8), fp32), 1.9),
        *(
            Bar(
                f"HTTP with 8 clients ÷ in process, {name}", ratio(speed, over_http(name, 8), in_process(name, 8)), 0.92
            )
            for name in PRECISIONS
        ),
        Bar("fp32 in process ÷ the machine's rate of float32 products", ratio(speed, fp32, PRODUCTS), 0.85),
        Bar(
            "padding, as a part of the tokens computed in process",
            padding / (padding + sum(batch.tokens for batch in batches)),
            0.05,
            at_most=True,
        ),
        Bar("seconds from start to ready, default model", seconds, 2.0, at_most=True),
        Bar("MB resident, default model", resident, 250.0, at_most=True),
    ]


def beside(speed: dict[str, Speed]) -> list[Bar]:
    """Those against peers, as far as they were there."""
    bfloat16, float32 = "vLLM, bfloat16", "vLLM, float32"
    engines = [over_http(f"infinity, {engine}", 8) for engine in ("bfloat16", "float32", "onnx int8")]
    infinity = [name for name in engines if name in speed]
    libraries = [name for name in (library("float32"), library("bfloat16"), QUANTIZED_LIBRARY) if name in speed]
    wanted: list[tuple[str, str, str, float]] = [
        ("int8-fast ÷ vLLM bfloat16, 8 clients", over_http("int8-fast", 8), over_http(bfloat16, 8), 2.0),
        ("int8 ÷ vLLM bfloat16, 8 clients", over_http("int8", 8), over_http(bfloat16, 8), 1.6),
        ("fp32 ÷ vLLM float32, 8 clients", over_http("fp32", 8), over_http(float32, 8), 1.0),
    ]
    if infinity:
        wanted.append(
            ("int8-fast ÷ the best infinity, 8 clients", over_http("int8-fast", 8), _best(speed, infinity), 3)
        )
    fastest = _best(speed, libraries)
    wanted.append(("int8-fast ÷ the best sentence-transformers, in process", in_process("int8-fast", 1), fastest, 1.5))
    bars = [Bar(name, ratio(speed, mine, theirs), bar) for name, mine, theirs, bar in wanted if theirs in speed]
    theirs = over_http(bfloat16, 1)
    if theirs in speed:
        bars += [
            Bar(
                f"median latency of {name} ÷ vLLM bfloat16's, 1 client",
                statistics.median(speed[over_http(name, 1)].latency) / statistics.median(speed[theirs].latency),
                0.75,
                at_most=True,
            )
            for name in ("int8", "int8-fast")
        ]
    return bars


def of_growth(lengths: Mapping[str, Sequence[Cost]], numbers: Mapping[str, Sequence[Cost]]) -> list[Bar]:
    """How much dearer a floating-point operation gets."""
    measured: list[tuple[str, Mapping[str, Sequence[Cost]]]] = [
        ("64 to 512 tokens", lengths),
        ("10 to 1,000 documents", numbers),
    ]
    return [
        Bar(f"cost of an operation, {what}, {name}", growth(costs), 1.15, at_most=True)
        for what, curves in measured
        for name, costs in curves.items()
    ]


def _best(speed: Mapping[str, Speed], names: Sequence[str]) -> str:
    return max(names, key=lambda name: statistics.median(speed[name].pairs_per_second))
