"""Heads as ONNX nodes, appended to a graph that holds a body.

Semantics are those of `heads`. Only operators that every opset since 12 has are used, so that a graph keeps its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..checkpoint.weights import Floats
from ..errors import ExportError
from .loaded import LoadedHead

# The opset since which an operator takes its axes as an input and no longer as an attribute: ONNX's Changelog.md.
_AXES_AS_INPUT = {"ReduceSum": 13, "Squeeze": 13, "Unsqueeze": 13, "ReduceL2": 18, "ReduceMax": 18, "ReduceMean": 18}


class NodeList:
    """Nodes and constants to be put into a graph, under names that no other value there has."""

    def __init__(self, graph: ir.Graph, name: str) -> None:
        self._graph = graph
        self._name = name
        self._opset = graph.opset_imports[""]
        self.nodes: list[ir.Node] = []

    def add(self, operator: str, *inputs: ir.Value, axes: Sequence[int] | None = None, **attributes: Any) -> ir.Value:
        """The output of one more node. `axes` go where the graph's opset wants them."""
        values = [*inputs]
        if axes is not None and self._opset >= _AXES_AS_INPUT[operator]:
            values.append(self.constant(np.array(axes, np.int64)))
        elif axes is not None:
            attributes["axes"] = list(axes)
        node = ir.node(operator, values, attributes, name=f"{self._name}.{len(self.nodes)}.{operator}")
        node.outputs[0].name = node.name
        self.nodes.append(node)
        return node.outputs[0]

    def constant(self, array: NDArray[Any] | np.generic) -> ir.Value:
        """A tensor kept in the graph."""
        name = f"{self._name}.constant.{sum(key.startswith(self._name) for key in self._graph.initializers)}"
        tensor = ir.tensor(np.array(array, order="C"), name=name)
        value = ir.Value(
            name=name, shape=ir.Shape(np.shape(array)), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        self._graph.register_initializer(value)
        return value


def require_activations(heads: Sequence[LoadedHead]) -> None:
    """Raise `ExportError` for a Dense layer whose activation is not written as ONNX here."""
    for head in heads:
        if head.kind == "Dense" and head.activation not in ACTIVATIONS:
            raise ExportError(
                f"The Dense module's activation '{head.activation}' cannot be appended to a graph, only "
                f"{', '.join(ACTIVATIONS)}: export the checkpoint from its PyTorch weights instead."
            )


def add_heads(nodes: NodeList, heads: Sequence[LoadedHead], states: ir.Value, mask: ir.Value) -> ir.Value:
    """What the heads, one after the other, make of `states`: float32 `[batch, tokens, dim]`, or `[batch, dim]` after
    pooling. `mask` is the graph's int64 `[batch, tokens]`."""
    for head in heads:
        states = _KINDS[head.kind](nodes, head, states, mask)
    return states


def _pooling(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    pooled = [_POOLING[mode](nodes, states, mask) for mode in head.modes]
    return pooled[0] if len(pooled) == 1 else nodes.add("Concat", *pooled, axis=-1)


def _cls(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    return nodes.add("Gather", states, nodes.constant(np.int64(0)), axis=1)


def _max(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    padding = nodes.add("Unsqueeze", nodes.add("Equal", mask, nodes.constant(np.int64(0))), axes=[-1])
    lowest = nodes.constant(np.finfo(np.float32).min)
    return nodes.add("ReduceMax", nodes.add("Where", padding, lowest, states), axes=[1], keepdims=0)


def _sums(nodes: NodeList, states: ir.Value, weights: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The weighted sum of the states, `[batch, dim]`, and of the weights, `[batch, 1]`."""
    weights = nodes.add("Cast", weights, to=ir.DataType.FLOAT.value)
    weighted = nodes.add("Mul", states, nodes.add("Unsqueeze", weights, axes=[-1]))
    total = nodes.add("ReduceSum", weights, axes=[1], keepdims=1)
    return (
        nodes.add("ReduceSum", weighted, axes=[1], keepdims=0),
        nodes.add("Max", total, nodes.constant(np.float32(1e-9))),
    )


def _mean(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    return nodes.add("Div", *_sums(nodes, states, mask))


def _mean_sqrt_len(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    total, count = _sums(nodes, states, mask)
    return nodes.add("Div", total, nodes.add("Sqrt", count))


def _weighted_mean(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    return nodes.add("Div", *_sums(nodes, states, _ranks(nodes, mask)))


def _last_token(nodes: NodeList, states: ir.Value, mask: ir.Value) -> ir.Value:
    # ArgMax takes floats in every version of ONNX Runtime; they are exact here.
    ranks = nodes.add("Cast", _ranks(nodes, mask), to=ir.DataType.FLOAT.value)
    return nodes.add("GatherND", states, nodes.add("ArgMax", ranks, axis=1, keepdims=1), batch_dims=1)


def _ranks(nodes: NodeList, mask: ir.Value) -> ir.Value:
    """1, 2, … for the tokens attended to, 0 for the others."""
    return nodes.add("Mul", nodes.add("CumSum", mask, nodes.constant(np.int64(1))), mask)


_POOLING: dict[str, Callable[[NodeList, ir.Value, ir.Value], ir.Value]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}


def _dense(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    projected = _linear(nodes, states, head.weights["linear.weight"])
    if "linear.bias" in head.weights:
        projected = nodes.add("Add", projected, nodes.constant(head.weights["linear.bias"]))
    projected = ACTIVATIONS[head.activation](nodes, projected)
    if not head.config.get("use_residual"):
        return projected
    if "residual.weight" in head.weights:
        states = _linear(nodes, states, head.weights["residual.weight"])
    return nodes.add("Add", projected, states)


def _linear(nodes: NodeList, states: ir.Value, weight: Floats) -> ir.Value:
    return nodes.add("MatMul", states, nodes.constant(weight.T))


def _gelu(nodes: NodeList, x: ir.Value) -> ir.Value:
    error = nodes.add("Erf", nodes.add("Mul", x, nodes.constant(np.float32(np.sqrt(0.5)))))
    half = nodes.add("Mul", x, nodes.constant(np.float32(0.5)))
    return nodes.add("Mul", half, nodes.add("Add", error, nodes.constant(np.float32(1))))


ACTIVATIONS: dict[str, Callable[[NodeList, ir.Value], ir.Value]] = {
    "Identity": lambda nodes, x: x,
    "Tanh": lambda nodes, x: nodes.add("Tanh", x),
    "ReLU": lambda nodes, x: nodes.add("Relu", x),
    "Sigmoid": lambda nodes, x: nodes.add("Sigmoid", x),
    "SiLU": lambda nodes, x: nodes.add("Mul", x, nodes.add("Sigmoid", x)),
    "GELU": _gelu,
}
"""What a Dense layer's activation may be, by its class in `torch.nn`."""


def _layer_norm(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    centred = nodes.add("Sub", states, nodes.add("ReduceMean", states, axes=[-1], keepdims=1))
    variance = nodes.add("ReduceMean", nodes.add("Mul", centred, centred), axes=[-1], keepdims=1)
    deviation = nodes.add("Sqrt", nodes.add("Add", variance, nodes.constant(np.float32(1e-5))))
    scaled = nodes.add("Mul", nodes.add("Div", centred, deviation), nodes.constant(head.weights["norm.weight"]))
    return nodes.add("Add", scaled, nodes.constant(head.weights["norm.bias"]))


def _normalize(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    norm = nodes.add("ReduceL2", states, axes=[-1], keepdims=1)
    return nodes.add("Div", states, nodes.add("Max", norm, nodes.constant(np.float32(1e-12))))


_KINDS: dict[str, Callable[[NodeList, LoadedHead, ir.Value, ir.Value], ir.Value]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
}
