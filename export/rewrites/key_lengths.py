"""Turns the mask of a GPU's attention into inputs that say how many keys each sequence has.

Whoever pads sequences knows their lengths, and padding is on the right: a length says which keys to attend to.
"""

import onnx_ir as ir

from engine.artifact.artifact import FIRST_KEY_LENGTHS, KEY_LENGTHS

from ..graph import DOMAIN

_MASK = "attention_mask"


def only_first_query(node: ir.Node) -> bool:
    """Make an attention of `tracing.key_lengths` take each sequence's first query alone; False for another node."""
    lengths = node.inputs[4] if node.op_type == "MultiHeadAttention" and len(node.inputs) == 5 else None
    if lengths is None or lengths.name != KEY_LENGTHS:
        return False
    assert node.graph is not None
    inputs = node.graph.inputs
    first = next((value for value in inputs if value.name == FIRST_KEY_LENGTHS), None)
    if first is None:
        first = _lengths(FIRST_KEY_LENGTHS)
        inputs.append(first)
    node.replace_input_with(4, first)
    return True


def as_inputs(model: ir.Model) -> ir.Model:
    """Makes inputs of the lengths that `tracing.key_lengths.mask` stands for, in place, and drops an unread mask."""
    masks = [node for node in model.graph if (node.domain, node.op_type) == (DOMAIN, "KeyLengths")]
    if not masks:
        return model
    lengths = _lengths(KEY_LENGTHS)
    model.graph.inputs.append(lengths)
    for node in masks:
        ir.convenience.replace_all_uses_with(node.outputs[0], lengths)
        cast = node.inputs[0].producer() if node.inputs[0] is not None else None
        model.graph.remove(node, safe=True)
        if cast is not None and not cast.outputs[0].uses():
            model.graph.remove(cast, safe=True)
    for value in [value for value in model.graph.inputs if value.name == _MASK and not value.uses()]:
        model.graph.inputs.remove(value)
    return model


def _lengths(name: str) -> ir.Value:
    return ir.val(name, ir.DataType.INT32, [name])
