"""Applies the rewrites to a traced graph in the one order in which they work.

1. `name_axes` comes first, because it goes by the inputs that were traced, and step 2 adds one of another shape.
2. `as_inputs` (GPU): the lengths are inputs before step 5, which tells by them the attention that it may cut.
   `narrow_norms` (float16) can be anywhere.
3. `fold_transposes`, `plain_layer_normalization`, `unpack_products` (CPU): products and normalisations get the forms
   that steps 5, 6 and 8 look for. Step 5 does not get through a `Split`.
4. `drop_reshapes` comes before step 5, which would give the reshapes shapes of their own.
5. `keep_first_token` comes before step 6, whose new biases have no shapes for it to go by.
6. `fold_biases` (CPU) looks for the `Sum` that step 3 writes, and through the `Slice` of step 5.
7. `define` adds the functions of the operators that are left. ONNX Runtime can run the graph from here on.
8. `quantize_int8` or `quantize_int8_fast` (CPU; `export.precisions` says which) comes last: it runs the graph
   to measure ranges, and no other step knows the products that it writes.
"""

from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ..graph import DIMS, FusedFor, name_axes
from .attention_functions import define
from .biases import fold_biases
from .first_token import keep_first_token
from .half_norms import narrow_norms
from .key_lengths import as_inputs
from .plain_forms import drop_reshapes, fold_transposes, plain_layer_normalization, unpack_products


def rewrite(model: ir.Model, provider: FusedFor | None, dims: Mapping[str, Sequence[int | str]] = DIMS) -> ir.Model:
    """Steps 1 to 7 for a provider's graph, in place; without a provider, the first alone.

    `dims` are those of its inputs by name: a text graph's, or a vision graph's.
    """
    name_axes(model, dims)
    if provider is None:
        return model
    model = simplify(narrow_norms(as_inputs(model)), provider)
    return define(fold_biases(model) if provider == "cpu" else model)


def simplify(model: ir.Model, provider: FusedFor) -> ir.Model:
    """Steps 3 to 5, in place."""
    rewrites = [drop_reshapes, keep_first_token]
    if provider == "cpu":
        rewrites = [fold_transposes, plain_layer_normalization, unpack_products, *rewrites]
    for step in rewrites:
        model = step(model)
        RemoveUnusedNodesPass()(model)
    return model
