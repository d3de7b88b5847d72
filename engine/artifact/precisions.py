"""Tells what each precision of a graph is when it runs; `export.precisions` tells what it costs and how it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "fp16", "int8", "int8-fast"]


@dataclass(frozen=True, slots=True)
class Running:
    """How a graph of one precision computes.

    Two runs of such graphs on the same input may differ by `tolerance`, of the largest number in the output or of 1; an
    export allows as much. `dtype` is the type of numbers it computes with, in the words of text-embeddings-inference.
    """

    tolerance: float
    dtype: str


PRECISIONS: dict[Precision, Running] = {
    "fp32": Running(1e-4, "float32"),
    "fp16": Running(5e-3, "float16"),
    "int8": Running(0.05, "int8"),
    "int8-fast": Running(0.05, "int8-fast"),
}


def tolerance(precisions: Sequence[Precision]) -> float:
    """How far the outputs of graphs of these precisions may be from one another."""
    return max(PRECISIONS[precision].tolerance for precision in precisions)
