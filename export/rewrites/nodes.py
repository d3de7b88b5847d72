"""Finds, adds and replaces the nodes and constants of a graph: the toolbox of all rewrites and heads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike

from engine.arrays import Floats

# The opset since which an operator takes its axes as an input and no longer as an attribute: ONNX's Changelog.md.
_AXES_AS_INPUT = {
    "ReduceSum": 13,
    "Squeeze": 13,
    "Unsqueeze": 13,
    "ReduceL2": 18,
    "ReduceMax": 18,
    "ReduceMean": 18,
    "ReduceMin": 18,
}


def constant(graph: ir.Graph, name: str, array: ArrayLike) -> ir.Value:
    """The constant of that name, made of `array` if the graph has none yet: a name stands for one content."""
    if name not in graph.initializers:
        tensor = ir.tensor(np.asarray(array, order="C"), name=name)
        graph.register_initializer(ir.Value(name=name, const_value=tensor))
    return graph.initializers[name]


def insert(
    place: ir.Node,
    operator: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, int | float] | None = None,
    domain: str = "",
    after: bool = False,
) -> ir.Value:
    """The output of a new node right before `place`, or right `after` it."""
    node = ir.node(operator, inputs, attributes, domain=domain)
    assert place.graph is not None
    if after:
        place.graph.insert_after(place, node)
    else:
        place.graph.insert_before(place, node)
    return node.outputs[0]


def replace(node: ir.Node, y: ir.Value) -> None:
    """Put `y` in the place of a node's first output, under its name, and remove the node."""
    old = node.outputs[0]
    y.name, y.type, y.shape = old.name, old.type, old.shape
    ir.convenience.replace_all_uses_with(old, y, replace_graph_outputs=True)
    assert node.graph is not None
    node.graph.remove(node, safe=True)


def producer_of(value: ir.Value | None) -> ir.Node | None:
    """The node that a value, or what it was sliced from, comes from."""
    node = value.producer() if value is not None else None
    if node is not None and node.op_type == "Slice" and node.inputs[0] is not None:
        return node.inputs[0].producer()
    return node


def constant_matrix(node: ir.Node, index: int, minimum: int = 0) -> Floats | None:
    """The constant float matrix that an ONNX operator reads at `index`; None if it has less than `minimum` elements."""
    value = node.inputs[index]
    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    if node.domain or tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) != 2:
        return None
    return tensor.numpy() if tensor.size >= minimum else None


def constant_vector(value: ir.Value | None) -> Floats | None:
    """A constant of one dimension and more than one element."""
    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    return tensor.numpy() if tensor is not None and len(tensor.shape) == 1 and tensor.size > 1 else None


def _type(operator: str, inputs: Sequence[ir.Value], attributes: Mapping[str, Any]) -> ir.TypeProtocol | None:
    """The type of an operator's output, for those that a `NodeList` is used for."""
    if operator == "Cast":
        return ir.TensorType(ir.DataType(attributes["to"]))
    if operator in {"ArgMax", "Equal"}:
        return ir.TensorType(ir.DataType.INT64 if operator == "ArgMax" else ir.DataType.BOOL)
    # A constant has none of its own.
    return next((value.type for value in inputs[operator == "Where" :] if value.type is not None), None)


class NodeList:
    """Nodes to be put into a graph, and constants that are in it already, under names that no other value there has."""

    def __init__(self, graph: ir.Graph, name: str) -> None:
        self._graph = graph
        self._name = name
        self.opset = graph.opset_imports[""]
        self.nodes: list[ir.Node] = []

    def add(self, operator: str, *inputs: ir.Value, axes: Sequence[int] | None = None, **attributes: Any) -> ir.Value:
        """The output of one more node. `axes` go where the graph's opset wants them."""
        values = [*inputs]
        if axes is not None and self.opset >= _AXES_AS_INPUT[operator]:
            values.append(self.constant(np.array(axes, np.int64)))
        elif axes is not None:
            attributes["axes"] = list(axes)
        node = ir.node(operator, values, attributes, name=f"{self._name}.{len(self.nodes)}.{operator}")
        node.outputs[0].name = node.name
        node.outputs[0].type = _type(operator, inputs, attributes)
        self.nodes.append(node)
        return node.outputs[0]

    def constant(self, array: ArrayLike) -> ir.Value:
        """A tensor kept in the graph."""
        count = sum(key.startswith(self._name) for key in self._graph.initializers)
        return constant(self._graph, f"{self._name}.constant.{count}", array)
