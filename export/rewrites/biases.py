"""Folds constant vectors that are added to activations into operators that a graph has anyway.

Each addition is a pass over an activation of every token. With x and y activations, W a weight and b a bias:
- Softmax does not see what all keys of a sequence have in common: q(k + b)ᵀ = qkᵀ + qbᵀ, so keys need no bias.
- A layer normalisation's output x that goes on as a residual, x + (y + b) = (x + b) + y, has b in its own bias. The
  products that read it as well, (x + b)W = xW + bW, have biases, too, that take bW out again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from engine.arrays import Floats

from ..graph import DOMAIN
from .nodes import constant, constant_matrix, constant_vector, producer_of

_ATTENTION = {"Attention", "ShortAttention", "LocalAttention"}
_KEYS = 1
_BETA = 2


@dataclass(frozen=True)
class _Addition:
    """The node of y + bias."""

    node: ir.Node
    y: ir.Value
    bias: Floats

    def drop(self) -> None:
        assert self.node.graph is not None
        ir.convenience.replace_all_uses_with(self.node.outputs[0], self.y)
        self.node.graph.remove(self.node, safe=True)


@dataclass(frozen=True)
class _Change:
    """A bias that is to become another one."""

    node: ir.Node
    index: int
    bias: Floats

    def make(self) -> None:
        graph = self.node.graph
        assert graph is not None
        bias = constant(graph, f"{self.node.outputs[0].name}.bias", self.bias.astype(np.float32))
        self.node.replace_input_with(self.index, bias)


def fold_biases(model: ir.Model) -> ir.Model:
    """Rewrites a graph for CPUs in place, after `simplify`; outputs are what they were but for rounding."""
    for node in list(model.graph):
        if _attends(node):
            added = _addition(node.inputs[_KEYS])
            if added is not None:
                added.drop()
        elif node.op_type == "Sum" and len(node.inputs) == 2:
            _fold_residual(node)
    RemoveUnusedNodesPass()(model)
    return model


def _fold_residual(total: ir.Node) -> None:
    for index in (0, 1):
        added, normalized = _addition(total.inputs[index]), _normalized(total.inputs[1 - index])
        if added is None or normalized is None:
            continue
        norm, beta = normalized
        changes = [_Change(norm, _BETA, beta + added.bias)]
        for reader, place in _uses(norm.outputs[0]):
            undone = [] if reader is total else _undone(reader, place, added.bias)
            if undone is None:
                return
            changes += undone
        for change in changes:
            change.make()
        added.drop()
        return


def _undone(reader: ir.Node, place: int, bias: Floats) -> list[_Change] | None:
    """Changes that keep the output of `reader` equal after `bias` was added to its input, or None."""
    weight = constant_matrix(reader, 1) if reader.op_type == "MatMul" and place == 0 else None
    uses = list(reader.outputs[0].uses())
    if weight is None or len(uses) != 1:
        return None
    user, index = uses[0].node, uses[0].idx
    if _attends(user) and index == _KEYS:
        return []
    own = constant_vector(user.inputs[1 - index]) if user.op_type in {"Add", "BiasGelu"} else None
    return None if own is None else [_Change(user, 1 - index, own - bias @ weight)]


def _attends(node: ir.Node) -> bool:
    return node.domain == DOMAIN and node.op_type in _ATTENTION


def _addition(value: ir.Value | None) -> _Addition | None:
    """Returns what a value that is used once adds to another."""
    node = value.producer() if value is not None and len(value.uses()) == 1 else None
    if node is None or node.op_type != "Add":
        return None
    for y, other in (node.inputs, reversed(node.inputs)):
        bias = constant_vector(other)
        if y is not None and bias is not None:
            return _Addition(node, y, bias)
    return None


def _normalized(value: ir.Value | None) -> tuple[ir.Node, Floats] | None:
    """Returns the layer normalisation that a value, or what it was sliced from, comes from, with its bias."""
    node = producer_of(value)
    if node is None or node.op_type != "LayerNormalization" or node.outputs[0].is_graph_output():
        return None
    beta = constant_vector(node.inputs[_BETA]) if len(node.inputs) > _BETA else None
    return None if beta is None else (node, beta)


def _uses(value: ir.Value) -> Iterator[tuple[ir.Node, int]]:
    """Those of a value, and of its first tokens instead of the slice that cuts them."""
    for use in value.uses():
        if use.node.op_type == "Slice" and use.idx == 0:
            yield from ((sliced.node, sliced.idx) for sliced in use.node.outputs[0].uses())
        else:
            yield use.node, use.idx
