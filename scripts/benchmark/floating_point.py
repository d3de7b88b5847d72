"""Counts a model's operations, and measures how fast this machine multiplies."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from engine.runtime.machine.cores import cores

from .contenders import Floats
from .workload import Request

# Rows, columns and depth of products that all libraries are fast at.
_SIZES = ((512, 384, 384), (512, 1536, 384), (1024, 1024, 1024))
_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Shape:
    """An encoder's layers, and the widths of its states and of what is between them."""

    layers: int
    hidden: int
    intermediate: int

    @classmethod
    def of(cls, checkpoint: Path) -> Self:
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        return cls(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])

    def operations(self, lengths: Sequence[int]) -> float:
        """Floating-point operations for sequences of these lengths in tokens, without padding: two for each
        multiplication of the four projections, the two layers between, and attention's two products."""
        a_token = 2 * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate)
        attention = 4 * self.hidden * sum(length**2 for length in lengths)
        return float(self.layers * (a_token * sum(lengths) + attention))


def float32_products(operations: Mapping[str, float]) -> Callable[[Request], None]:
    """Float32 matrix products of the operations of a query's request, on all cores, a single-threaded product on each.

    ONNX Runtime's, at the best of several sizes.
    """
    size = max(_SIZES, key=_rate)
    session, left = _product(*size)
    workers = ThreadPoolExecutor(cores())

    def multiply(times: int) -> None:
        for _ in range(times):
            session.run(None, {"left": left})

    def compute(request: Request) -> None:
        times = operations[request.query] / (2 * math.prod(size)) / cores()
        list(workers.map(multiply, [round(times)] * cores()))

    return compute


def _rate(size: tuple[int, int, int]) -> float:
    """Operations a second on one core."""
    session, left = _product(*size)
    times = 0
    started = time.perf_counter()
    while time.perf_counter() < started + _SECONDS:
        session.run(None, {"left": left})
        times += 1
    return 2 * math.prod(size) * times / (time.perf_counter() - started)


def _product(rows: int, columns: int, depth: int) -> tuple[onnxruntime.InferenceSession, Floats]:
    """A graph of `left` times a constant, so that its packing is done once, as for a model's weights; and a `left`."""
    right = np.random.default_rng(1).standard_normal((depth, columns), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, [rows, depth])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [rows, columns])],
        [helper.make_tensor("right", TensorProto.FLOAT, right.shape, right.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session, np.random.default_rng(0).standard_normal((rows, depth), dtype=np.float32)
