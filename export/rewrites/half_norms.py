"""Gives normalisations of float16 a scale of float16, where a body's authors compute them in float32.

Gemma multiplies by 1 + w in float32 and rounds what comes out. ONNX Runtime refuses a residual's normalisation whose
inputs are of two types. The kernels that it has compute in float32 as well, so that only the scale loses its last bits.
"""

import numpy as np
import onnx_ir as ir

from .nodes import constant

# Which input is the scale.
_SCALE = {"SimplifiedLayerNormalization": 1, "SkipSimplifiedLayerNormalization": 2}


def narrow_norms(model: ir.Model) -> ir.Model:
    """Rewrites normalisations whose outputs are cast to float16 in place."""
    graph = model.graph
    for node in list(graph):
        index = _SCALE.get(node.op_type)
        if index is None or node.inputs[0] is None or node.inputs[0].dtype != ir.DataType.FLOAT16:
            continue
        scale, output = node.inputs[index], node.outputs[0]
        tensor = ir.convenience.get_const_tensor(scale) if scale is not None else None
        casts = [use.node for use in output.uses()]
        if (
            scale is None
            or tensor is None
            or tensor.dtype != ir.DataType.FLOAT
            or not all(_narrows(cast) for cast in casts)
        ):
            continue
        narrow = constant(graph, f"{scale.name}.half", tensor.numpy().astype(np.float16))
        node.replace_input_with(index, narrow)
        output.type = node.inputs[0].type
        for cast in casts:
            ir.convenience.replace_all_uses_with(cast.outputs[0], output)
            graph.remove(cast, safe=True)
    return model


def _narrows(node: ir.Node) -> bool:
    return (
        node.op_type == "Cast"
        and node.attributes.get_int("to", 0) == ir.DataType.FLOAT16.value
        and not node.outputs[0].is_graph_output()
    )
