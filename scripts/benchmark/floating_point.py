"""What a model must compute, and how fast this machine multiplies."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from engine.providers import cores

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
        """Floating-point operations for sequences of so many tokens, padding not among them: two for each
        multiplication of the four projections, the two layers between, and attention's two products."""
        a_token = 2 * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate)
        attention = 4 * self.hidden * sum(length**2 for length in lengths)
        return float(self.layers * (a_token * sum(lengths) + attention))


def float32_rate() -> float:
    """Floating-point operations a second of float32 matrix products on all cores, a single-threaded product on each.

    ONNX Runtime's, at the best of several sizes.
    """
    return max(_rate(*size) for size in _SIZES)


def _rate(rows: int, columns: int, depth: int) -> float:
    session = _product(rows, columns, depth)
    left = np.random.default_rng(0).standard_normal((rows, depth), dtype=np.float32)

    def products(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            session.run(None, {"left": left})
            count += 1
        return count

    products(time.perf_counter() + _SECONDS / 4)
    with ThreadPoolExecutor(cores()) as workers:
        started = time.perf_counter()
        counts = list(workers.map(products, [started + _SECONDS] * cores()))
        elapsed = time.perf_counter() - started
    return 2.0 * rows * columns * depth * sum(counts) / elapsed


def _product(rows: int, columns: int, depth: int) -> onnxruntime.InferenceSession:
    """`left` times a constant, so that its packing is done once, as for a model's weights."""
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
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
