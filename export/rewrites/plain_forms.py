"""Replaces what exporters write by plainer forms that run faster and give the same values."""

import numpy as np
import onnx_ir as ir

from ..graph import MICROSOFT
from .nodes import constant, constant_matrix, insert, replace


def fold_transposes(model: ir.Model) -> ir.Model:
    """Stores weights [N, K] that the exporter transposes at run time, as DeBERTa's shared ones, as [K, N]."""
    for node in list(model.graph):
        weight = constant_matrix(node, 0) if node.op_type == "Transpose" else None
        if weight is not None and not node.outputs[0].is_graph_output():
            folded = constant(model.graph, f"{node.outputs[0].name}.folded", weight.T)
            ir.convenience.replace_all_uses_with(node.outputs[0], folded)
    return model


def plain_layer_normalization(model: ir.Model) -> ir.Model:
    """Rewrites SkipLayerNormalization(x, skip, gamma, beta, bias) as LayerNormalization(Sum(x + bias, skip), ...).

    ONNX Runtime's CPU kernel of the fused operator is scalar code and takes four times as long as the others
    (docs/benchmarks/log.md, "Kernels").
    Sum instead of Add keeps its optimiser from fusing them again at load; the values are those of Add.
    """
    for node in list(model.graph):
        if (node.domain, node.op_type) == (MICROSOFT, "SkipLayerNormalization"):
            x, skip, gamma, beta, bias = (*node.inputs, *[None] * 2)[:5]
            total = insert(node, "Sum", [x if bias is None else insert(node, "Add", [x, bias]), skip])
            assert skip is not None
            total.type, total.shape = skip.type, skip.shape
            epsilon = node.attributes.get_float("epsilon", 1e-12)
            y = insert(node, "LayerNormalization", [total, gamma, beta], {"axis": -1, "epsilon": epsilon})
            if len(node.outputs) == 4:
                ir.convenience.replace_all_uses_with(node.outputs[3], total, replace_graph_outputs=True)
            replace(node, y)
        elif node.op_type == "LayerNormalization" and node.inputs[0] is not None:
            addition = node.inputs[0].producer()
            if addition is not None and (addition.domain, addition.op_type) == ("", "Add"):
                replace(addition, insert(addition, "Sum", addition.inputs))
    return model


def unpack_products(model: ir.Model) -> ir.Model:
    """Rewrites Split(x @ W) as x @ W1, x @ W2, ...: their input is quantised once, and each can add its own bias."""
    graph = model.graph
    for node in list(graph):
        uses = list(node.outputs[0].uses())
        weight = constant_matrix(node, 1) if node.op_type == "MatMul" else None
        if weight is None or len(uses) != 1 or uses[0].node.op_type != "Split":
            continue
        split = uses[0].node
        tensor = ir.convenience.get_const_tensor(split.inputs[1]) if len(split.inputs) > 1 and split.inputs[1] else None
        if tensor is None or split.attributes.get_int("axis", 0) != -1:
            continue
        for part, old in zip(
            np.split(weight, np.cumsum(tensor.numpy())[:-1], axis=1), list(split.outputs), strict=True
        ):
            value = constant(graph, f"{old.name}.weight", part)
            # `keep_first_token` asks for the shapes of all that a product reads.
            value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(part.shape)
            y = insert(node, "MatMul", [node.inputs[0], value])
            y.type, y.shape = old.type, old.shape
            ir.convenience.replace_all_uses_with(old, y, replace_graph_outputs=True)
    return model


def drop_reshapes(model: ir.Model) -> ir.Model:
    """Removes Reshape(Reshape(x)) where it has x's shape again, as heads that are split and merged at once."""
    for node in list(model.graph):
        inner = node.inputs[0].producer() if node.op_type == "Reshape" and node.inputs[0] is not None else None
        x = inner.inputs[0] if inner is not None and inner.op_type == "Reshape" else None
        y = node.outputs[0]
        if x is None or x.shape is None or x.shape.has_unknown_dim() or x.shape != y.shape or y.is_graph_output():
            continue
        ir.convenience.replace_all_uses_with(y, x)
    return model
