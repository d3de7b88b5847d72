"""Computes the last layer for the first token alone, where a graph's output is made of that token."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..graph import DOMAIN, MICROSOFT
from .key_lengths import only_first_query
from .nodes import constant, insert

UNARY = {
    "Cast",
    "Not",
    "Identity",
    "Dropout",
    "Gelu",
    "FastGelu",
    "QuickGelu",
    "Erf",
    "Tanh",
    "Relu",
    "Sigmoid",
    "Sqrt",
}
ELEMENTWISE = UNARY | {"Add", "Sum", "Sub", "Mul", "Div", "Pow", "Where", "And", "Or", "Max", "Min", "BiasGelu"}
# Each row of the last axis by itself.
LAST_AXIS = {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization", "Softmax"}

Use = tuple[ir.Node, int, int]


def keep_first_token(model: ir.Model) -> ir.Model:
    """Inserts Slice(x, 0:1) as early as possible before every Gather of token 0, in place.

    It relies on padding being on the right, which is a contract of artifacts: token 0 is then every sequence's first.

    A classification head, or CLS pooling, reads `Gather(hidden [B, S, H], 0, axis=1)`. In the last layer only keys and
    values are needed of all S tokens; the query, the attention's output, its dense layer and the feed-forward block are
    needed of token 0. In a BERT layer of 12 H^2 weights that leaves about 2 H^2 for the other tokens.

    Nodes are visited from last to first. Where every use of a node's output needs row 0 of one axis only, the same is
    asked of its inputs; anywhere else the rows are cut right there.
    """
    graph = model.graph
    _fill_shapes(graph)
    wanted: dict[ir.Value, list[Use]] = defaultdict(list)
    for node in reversed(list(graph)):
        if _takes_first_token(node):
            assert node.inputs[0] is not None
            wanted[node.inputs[0]].append((node, 0, 1))
            continue
        for output in node.outputs:
            uses = wanted.pop(output, [])
            if not uses:
                continue
            axes = {axis for _, _, axis in uses}
            others = any(o.uses() for o in node.outputs if o is not output)
            only = len(uses) == len(output.uses()) and len(axes) == 1 and not others and not output.is_graph_output()
            needs = _needs(graph, node, axes.copy().pop()) if only else None
            if needs is None:
                _cut(graph, output, uses, node)
                continue
            for index, axis in needs:
                value = node.inputs[index]
                assert value is not None
                wanted[value].append((node, index, axis))
            assert output.shape is not None
            axis = axes.pop()
            for other in node.outputs:
                # Nothing uses them, and they have fewer rows now too.
                other.shape = other.shape if other is output else None
            output.shape = ir.Shape([1 if i == axis else d for i, d in enumerate(output.shape)])
    for value, uses in wanted.items():
        _cut(graph, value, uses, None)
    return model


def _fill_shapes(graph: ir.Graph) -> None:
    """Fills in the shapes that ONNX's own inference leaves out after contrib operators, and those of appended heads."""
    for node in graph:
        x, output = node.inputs[0] if node.inputs else None, node.outputs[0]
        if x is None or x.shape is None or output.shape is not None:
            continue
        output.type = output.type or x.type
        if node.op_type in {"BiasGelu", "FastGelu", "LayerNormalization"}:
            output.shape = x.shape.copy()
        elif node.op_type in ELEMENTWISE:
            shapes = [v.shape for v in node.inputs if v is not None]
            known = [s for s in shapes if s is not None]
            if len(known) == len(shapes):
                output.shape = ir.Shape([_broadcast(dims) for dims in zip(*_aligned(known), strict=True)])
        elif node.op_type == "Reshape" and node.inputs[1] is not None:
            tensor = ir.convenience.get_const_tensor(node.inputs[1])
            if tensor is not None and not node.attributes.get_int("allowzero", 0):
                sizes = tensor.numpy().tolist()
                output.shape = ir.Shape([x.shape[i] if d == 0 else None if d < 0 else d for i, d in enumerate(sizes)])


def _aligned(shapes: list[ir.Shape]) -> list[list[int | ir.SymbolicDim]]:
    rank = max(len(s) for s in shapes)
    aligned: list[list[int | ir.SymbolicDim]] = []
    for shape in shapes:
        aligned.append([1] * (rank - len(shape)))
        aligned[-1].extend(shape[i] for i in range(len(shape)))
    return aligned


def _broadcast(dims: Sequence[int | ir.SymbolicDim]) -> int | ir.SymbolicDim:
    return next((d for d in dims if d != 1), 1)


def _takes_first_token(node: ir.Node) -> bool:
    if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 1 or node.inputs[0] is None:
        return False
    shape, index = node.inputs[0].shape, ir.convenience.get_const_tensor(node.inputs[1]) if node.inputs[1] else None
    return shape is not None and len(shape) == 3 and index is not None and index.size == 1 and not index.numpy().any()


def _needs(graph: ir.Graph, node: ir.Node, axis: int) -> list[tuple[int, int]] | None:
    """Returns the inputs, each with an axis, whose row 0 is enough for row 0 of the output's axis; None if unknown."""
    shape = node.outputs[0].shape
    shapes = [None if v is None else v.shape for v in node.inputs]
    if shape is None or any(v is not None and s is None for v, s in zip(node.inputs, shapes, strict=True)):
        return None
    rank, ranks = len(shape), [0 if s is None else len(s) for s in shapes]
    if node.op_type in ELEMENTWISE:
        aligned = [(i, axis - (rank - r)) for i, r in enumerate(ranks) if r]
        return [(i, a) for i, a in aligned if a >= 0]
    if node.op_type in LAST_AXIS and node.attributes.get_int("axis", -1) in {-1, rank - 1} and axis != rank - 1:
        return [(0, axis)]
    if (node.domain, node.op_type) == (MICROSOFT, "SkipLayerNormalization") and axis != rank - 1:
        return [(0, axis), (1, axis)]
    if node.op_type == "MatMul" and axis == rank - 2 and ranks[0] == rank:
        return [(0, axis)]
    if node.op_type == "Transpose":
        return [(0, node.attributes["perm"].as_ints()[axis])]
    if node.domain == DOMAIN and node.op_type in {"Attention", "ShortAttention"} and axis == 1:
        return [(0, 1)]
    if axis == 1 and (_attends_to_all(node) or only_first_query(node)):
        return [(0, 1)]
    if node.op_type == "Reshape" and axis == 1 and shapes[0] is not None:
        return _reshape(graph, node, shapes[0], shape)
    return None


def _attends_to_all(node: ir.Node) -> bool:
    """Whether a node is ONNX Runtime's attention without a mask, as the towers of pictures have it."""
    return (node.domain, node.op_type) == (MICROSOFT, "MultiHeadAttention") and len(node.inputs) == 3


def _reshape(graph: ir.Graph, node: ir.Node, old: ir.Shape, new: ir.Shape) -> list[tuple[int, int]] | None:
    """Handles [B, S, ...] to [B, S, ...], by a constant shape that copies the first two dimensions."""
    rest = [d if isinstance(d, int) else -1 for d in new[2:]]
    same = [str(d) for d in old[:2]] == [str(d) for d in new[:2]] and str(old[1]) != "None"
    if len(old) < 3 or rest.count(-1) > 1 or not same:
        return None
    shape = _integers(graph, f"{node.outputs[0].name}.shape", [0, 0, *rest])
    node.replace_input_with(1, shape)
    node.attributes.pop("allowzero", None)
    return [(0, 1)]


def _cut(graph: ir.Graph, value: ir.Value, uses: Sequence[Use], after: ir.Node | None) -> None:
    for axis in {axis for _, _, axis in uses}:
        start, end = _integers(graph, "first_token.start", [0]), _integers(graph, "first_token.end", [1])
        inputs = [value, start, end, _integers(graph, f"first_token.axis{axis}", [axis])]
        rows = insert(after or graph[0], "Slice", inputs, after=after is not None)
        rows.type = value.type
        if value.shape is not None:
            rows.shape = ir.Shape([1 if i == axis else d for i, d in enumerate(value.shape)])
        for node, index, wanted in uses:
            if wanted == axis:
                node.replace_input_with(index, rows)


def _integers(graph: ir.Graph, name: str, values: list[int]) -> ir.Value:
    return constant(graph, name, np.array(values, np.int64))
