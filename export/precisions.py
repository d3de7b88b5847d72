"""Tells what each precision may cost, how its graphs are made, and how others name them.

A precision is told here and in `engine.artifact.precisions`, which tells what it is when it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from engine.artifact.precisions import PRECISIONS as RUNNING
from engine.artifact.precisions import Precision

from .graph import FusedFor
from .rewrites.quantize import Quantize, quantize_int8, quantize_int8_fast


@dataclass(frozen=True)
class Limit:
    """The largest difference from the reference that a graph may have: in its output, in scores, and in their order."""

    max_abs_error: float = np.inf
    score_max_abs_error: float = np.inf
    spearman: float = -1.0


@dataclass(frozen=True, slots=True)
class Making:
    """How graphs of one precision are made.

    A graph past `limit` is not written. It is fused for `provider`. The body is traced in float16 where it is `half`,
    else in float32, and `quantize` then makes 8-bit numbers of those. `published` are the file names of such graphs
    elsewhere: lists to look through in order, until one has a file.
    """

    limit: Limit
    provider: FusedFor
    published: Sequence[Sequence[str]]
    half: bool = False
    quantize: Quantize | None = None

    @property
    def is_floating(self) -> bool:
        """Whether all of its numbers are in floating point, so that a provider for GPUs can take the graph."""
        return self.quantize is None


FLOAT32_FILES = ["model.onnx"]
FLOAT16_FILES = ["model_fp16.onnx"]
EIGHT_BIT_FILES = ["model_quantized.onnx", "model_int8.onnx", "model_uint8.onnx", "model_q*int8*.onnx"]

# optimum-cli calls every graph model.onnx, whatever it was asked for, so that is looked into last.
PRECISIONS: dict[Precision, Making] = {
    "fp32": Making(Limit(max_abs_error=RUNNING["fp32"].tolerance), "cpu", [FLOAT32_FILES]),
    "fp16": Making(Limit(max_abs_error=RUNNING["fp16"].tolerance), "cuda", [FLOAT16_FILES, FLOAT32_FILES], half=True),
    "int8": Making(
        Limit(score_max_abs_error=RUNNING["int8"].tolerance, spearman=0.995),
        "cpu",
        [EIGHT_BIT_FILES, FLOAT32_FILES],
        quantize=quantize_int8,
    ),
    "int8-fast": Making(
        Limit(score_max_abs_error=RUNNING["int8-fast"].tolerance, spearman=0.98),
        "cpu",
        [EIGHT_BIT_FILES, FLOAT32_FILES],
        quantize=quantize_int8_fast,
    ),
}

assert set(PRECISIONS) == set(RUNNING) == set(get_args(Precision)), "every precision is told in both places"
