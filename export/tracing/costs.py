"""Tells what a traced graph's weights cost in 8 bits, and what PyTorch calls them, whose names tracing has lost."""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir
from torch import nn

from engine.arrays import Feeds, Floats
from engine.artifact.precisions import Precision
from engine.progress import Report

from ..exporter import Costs
from ..precisions import PRECISIONS
from ..rewrites.sensitivities import costliest_first


def costs(model: ir.Model, module: nn.Module, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
    """The weights of a float32 graph of `module`, that which costs most in 8 bits first, each with its module's name.

    One that the graph has made of several modules' keeps the name that it has there.
    """
    quantize = PRECISIONS[precision].quantize
    assert quantize is not None, "in floating point there is nothing to keep"
    order = costliest_first(model.clone(), samples, quantize, report)
    own = {
        _digest(parameter.detach().numpy()): name.removeprefix("body.").removesuffix(".weight")
        for name, parameter in module.named_parameters()
        if parameter.ndim == 2
    }
    called = {}
    for name in order:
        tensor = model.graph.initializers[name].const_value
        assert tensor is not None
        called[name] = next((own[digest] for digest in _digests(tensor.numpy()) if digest in own), name)
    return called


def _digests(weight: Floats) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Of a weight that a graph may have stored transposed."""
    yield _digest(weight.T)
    yield _digest(weight)


def _digest(weight: Floats) -> tuple[tuple[int, ...], bytes]:
    return weight.shape, np.ascontiguousarray(weight[len(weight) // 2]).tobytes()
