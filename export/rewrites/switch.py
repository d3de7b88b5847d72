"""Leaves a graph as it is but for one product at a time, so that what that one costs in 8 bits can be measured."""

import numpy as np
import onnx_ir as ir

from .nodes import constant, insert

ONLY = "only"
"""The input that says, by its place in `Switch.weights`, which weight is in 8 bits: int64 `[]`; -1 for none."""


class Switch:
    """Puts a choice between both into a graph, wherever something could be in 8 bits.

    `weights` are the names of what can, products' and tables' alike.
    """

    def __init__(self) -> None:
        self.weights: list[str] = []
        self._only = ir.Value(name=ONLY, shape=ir.Shape([]), type=ir.TensorType(ir.DataType.INT64))

    def put(self, node: ir.Node, y: ir.Value, weight: str) -> None:
        """Have `y` in the place of a node's output in the runs that are for that weight."""
        assert node.graph is not None
        if not self.weights:
            # Not before: a graph that is run meanwhile, to measure ranges, is not told.
            node.graph.inputs.append(self._only)
        if weight not in self.weights:
            self.weights.append(weight)
        number = self.weights.index(weight)
        old = node.outputs[0]
        asked = insert(node, "Equal", [self._only, constant(node.graph, f"{ONLY}.{number}", np.int64(number))])
        either = insert(node, "Where", [asked, y, old], after=True)
        either.type, either.shape = old.type, old.shape
        if old.is_graph_output():
            either.name, old.name = old.name, f"{old.name}.float"
        ir.convenience.replace_all_uses_with(old, either, replace_graph_outputs=True)
        choice = either.producer()
        assert choice is not None
        choice.replace_input_with(2, old)
