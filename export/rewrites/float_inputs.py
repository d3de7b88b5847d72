"""Takes in float32 what numpy makes, in graphs that compute in float16."""

import onnx_ir as ir

from engine.artifact.artifact import PAST


def keep_float32(model: ir.Model) -> ir.Model:
    """Makes inputs that an exporter took for float16 float32, and casts them, in place.

    The past stays as it is: an earlier run left it in the graph's own precision.
    """
    graph = model.graph
    for value in graph.inputs:
        if value.dtype == ir.DataType.FLOAT16 and value.name != PAST:
            cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT16})
            half = cast.outputs[0]
            half.type, half.shape = value.type, value.shape
            ir.convenience.replace_all_uses_with(value, half)
            cast.replace_input_with(0, value)
            value.type = ir.TensorType(ir.DataType.FLOAT)
            graph.insert_before(graph[0], cast)
    return model
