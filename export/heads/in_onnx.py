"""Appends heads to an ONNX graph that holds a body, traced or imported.

A graph keeps its opset, 12 or later: an operator that is newer is only used in graphs that have it. States are float32
`[batch, tokens, dim]` before pooling and `[batch, dim]` after it; the mask is int64 `[batch, tokens]`. Semantics and
defaults are those of sentence-transformers' modules and of PyLate's Dense.
"""

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from engine.arrays import Floats
from engine.score_types import ScoreType

from ..rewrites.nodes import NodeList
from .loaded import LoadedHead


def append_heads(graph: ir.Graph, heads: Sequence[LoadedHead], states: ir.Value, scoring: ScoreType) -> None:
    """Makes `states`, an output of the graph with a known shape, into the output of the score type, by way of `heads`.

    That output is float32: logits `[batch]`, embeddings `[batch, dim]` or token embeddings `[batch, tokens, dim]`. A
    graph of pictures has no mask, and heads that pool none.
    """
    mask = next((value for value in graph.inputs if value.name == "attention_mask"), states)
    nodes = NodeList(graph, "scorert.heads")
    made = states
    if states.dtype != ir.DataType.FLOAT:
        # Before the heads, so that sums over tokens and norms cannot overflow.
        made = nodes.add("Cast", states, to=ir.DataType.FLOAT.value)
        made.shape = states.shape
    made = add_heads(nodes, heads, made, mask)
    if scoring.reads_pairs:
        assert made.shape is not None
        shape = ir.Shape(made.shape[:1])
        made = nodes.add("Squeeze", made, axes=[-1])
        made.shape = shape
    graph.extend(nodes.nodes)
    name = scoring.output
    for node in graph:
        for output in node.outputs:
            if output.name == name:
                output.name = f"{name}.original"
    made.name = name
    outputs = [made if output is states else output for output in graph.outputs]
    graph.outputs.clear()
    graph.outputs.extend(outputs)


def add_heads(nodes: NodeList, heads: Sequence[LoadedHead], states: ir.Value, mask: ir.Value) -> ir.Value:
    """The states after all heads, applied in order, with their shape."""
    for head in heads:
        assert states.shape is not None
        shape = _shape(head, states.shape)
        states = _KINDS[head.kind](nodes, head, states, mask)
        states.shape = shape
    return states


def _shape(head: LoadedHead, shape: ir.Shape) -> ir.Shape:
    """A head's output's shape, by its input's."""
    if head.kind == "Pooling":
        width = shape[-1]
        assert isinstance(width, int)
        return ir.Shape([shape[0], width * len(head.modes)])
    return ir.Shape([*shape[:-1], len(head.weights["linear.weight"])]) if head.kind == "Dense" else shape.copy()


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
    projected = _linear(nodes, states, head.weights["linear.weight"], head.weights.get("linear.bias"))
    projected = _ACTIVATIONS[head.activation](nodes, projected)
    if not head.config.get("use_residual"):
        return projected
    if "residual.weight" in head.weights:
        states = _linear(nodes, states, head.weights["residual.weight"])
    return nodes.add("Add", projected, states)


def _linear(nodes: NodeList, states: ir.Value, weight: Floats, bias: Floats | None = None) -> ir.Value:
    assert states.shape is not None
    if len(states.shape) == 2:
        # By this operator quantisation knows a product of one row a text, whose activations it leaves alone.
        operands = [nodes.constant(array) for array in (weight, bias) if array is not None]
        return nodes.add("Gemm", states, *operands, transB=1)
    product = nodes.add("MatMul", states, nodes.constant(weight.T))
    return product if bias is None else nodes.add("Add", product, nodes.constant(bias))


def _gelu(nodes: NodeList, x: ir.Value) -> ir.Value:
    if nodes.opset >= 20:
        return nodes.add("Gelu", x)
    error = nodes.add("Erf", nodes.add("Mul", x, nodes.constant(np.float32(np.sqrt(0.5)))))
    half = nodes.add("Mul", x, nodes.constant(np.float32(0.5)))
    return nodes.add("Mul", half, nodes.add("Add", error, nodes.constant(np.float32(1))))


def _hard_sigmoid(nodes: NodeList, x: ir.Value) -> ir.Value:
    return nodes.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)


_ACTIVATIONS: dict[str, Callable[[NodeList, ir.Value], ir.Value]] = {
    "Identity": lambda nodes, x: x,
    "Tanh": lambda nodes, x: nodes.add("Tanh", x),
    "ReLU": lambda nodes, x: nodes.add("Relu", x),
    "Sigmoid": lambda nodes, x: nodes.add("Sigmoid", x),
    "SiLU": lambda nodes, x: nodes.add("Mul", x, nodes.add("Sigmoid", x)),
    "GELU": _gelu,
    "LeakyReLU": lambda nodes, x: nodes.add("LeakyRelu", x, alpha=0.01),
    "ELU": lambda nodes, x: nodes.add("Elu", x),
    "SELU": lambda nodes, x: nodes.add("Selu", x),
    "Softplus": lambda nodes, x: nodes.add("Softplus", x),
    "Softsign": lambda nodes, x: nodes.add("Softsign", x),
    "Hardswish": lambda nodes, x: nodes.add("Mul", x, _hard_sigmoid(nodes, x)),
    "Hardsigmoid": _hard_sigmoid,
    "ReLU6": lambda nodes, x: nodes.add("Clip", x, nodes.constant(np.float32(0)), nodes.constant(np.float32(6))),
    "Mish": lambda nodes, x: nodes.add("Mul", x, nodes.add("Tanh", nodes.add("Softplus", x))),
}


def _layer_norm(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    weight, bias = nodes.constant(head.weights["norm.weight"]), nodes.constant(head.weights["norm.bias"])
    if nodes.opset >= 17:
        return nodes.add("LayerNormalization", states, weight, bias, axis=-1, epsilon=1e-5)
    centred = nodes.add("Sub", states, nodes.add("ReduceMean", states, axes=[-1], keepdims=1))
    variance = nodes.add("ReduceMean", nodes.add("Mul", centred, centred), axes=[-1], keepdims=1)
    deviation = nodes.add("Sqrt", nodes.add("Add", variance, nodes.constant(np.float32(1e-5))))
    return nodes.add("Add", nodes.add("Mul", nodes.add("Div", centred, deviation), weight), bias)


def _normalize(nodes: NodeList, head: LoadedHead, states: ir.Value, mask: ir.Value) -> ir.Value:
    norm = nodes.add("ReduceL2", states, axes=[-1], keepdims=1)
    return nodes.add("Div", states, nodes.add("Max", norm, nodes.constant(np.float32(1e-12))))


_KINDS: dict[str, Callable[[NodeList, LoadedHead, ir.Value, ir.Value], ir.Value]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
}
