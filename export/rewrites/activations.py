"""Tells what a product's input is made by, and what is added to its output: how quantisation goes by them."""

import onnx_ir as ir

from ..graph import DOMAIN, MICROSOFT
from .nodes import producer_of

GELU = {("", "Gelu"), (MICROSOFT, "Gelu"), (MICROSOFT, "BiasGelu"), (MICROSOFT, "FastGelu")}
LAYER_NORMALIZATIONS = {
    "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"
}  # fmt: skip


def bias(node: ir.Node) -> tuple[ir.Node, ir.Value] | None:
    """Returns the Add after a product and its constant vector [N], if the product is used nowhere else."""
    uses = list(node.outputs[0].uses())
    if len(uses) != 1 or uses[0].node.op_type != "Add":
        return None
    other = uses[0].node.inputs[1 - uses[0].idx]
    tensor = ir.convenience.get_const_tensor(other) if other is not None else None
    return (uses[0].node, other) if other is not None and tensor is not None and len(tensor.shape) == 1 else None


def is_gelu(x: ir.Value) -> bool:
    producer = x.producer()
    return producer is not None and (producer.domain, producer.op_type) in GELU


def is_attended(x: ir.Value) -> bool:
    """Tells whether x is what attention gives, its heads merged."""
    producer = x.producer()
    if producer is not None and producer.op_type == "Reshape" and producer.inputs[0] is not None:
        producer = producer.inputs[0].producer()
        return producer is not None and producer.op_type == "Transpose"
    return producer is not None and producer.domain == DOMAIN


def is_normalized(x: ir.Value) -> bool:
    """Tells whether x is a layer normalisation's output, where outliers live, the Mul or Add that ends one, or some of
    its tokens."""
    producer = producer_of(x)
    if producer is None:
        return False
    if producer.op_type in LAYER_NORMALIZATIONS:
        return True
    constants = [v is not None and ir.convenience.get_const_tensor(v) is not None for v in producer.inputs]
    return producer.op_type in {"Add", "Mul"} and any(constants)
