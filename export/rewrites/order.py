"""Applies the rewrites to a traced graph in the one order in which they work.

1. `name_axes`: the symbols of inputs and outputs get their names, which whatever comes after may read.
2. `as_inputs` (GPU): lengths become inputs first, because `keep_first_token` tells by them which attention it may cut.
3. `fold_transposes`, `plain_layer_normalization`, `unpack_products` (CPU): each leaves products and normalisations in
   the one form that all later steps look for.
4. `drop_reshapes`: a merged and split value hides from `keep_first_token` which row is the first token's.
5. `keep_first_token`: before biases are folded, because it follows additions that are gone afterwards.
6. `fold_biases` (CPU): it looks for the `Sum` that step 3 has written, and through the `Slice` of step 5.
7. `define`: the functions of ScoreRT's operators, of those that are left; from here on ONNX Runtime runs the graph.
8. `quantize_int8` or `quantize_int8_fast`: last, because they run the graph to measure ranges, and because the products
   that they write are none that a step before would know.
"""

from collections.abc import Sequence

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from engine.artifact import Precision

from ..graph import Provider, name_axes
from ..verification.reference import Feeds
from .attention_functions import define
from .biases import fold_biases
from .first_token import keep_first_token
from .key_lengths import as_inputs
from .plain_forms import drop_reshapes, fold_transposes, plain_layer_normalization, unpack_products
from .quantize import quantize_int8, quantize_int8_fast


def rewrite(model: ir.Model, provider: Provider | None) -> ir.Model:
    """Steps 1 to 7 for a provider's graph, in place; without a provider, the first alone."""
    name_axes(model)
    if provider is None:
        return model
    model = simplify(as_inputs(model), provider)
    return define(fold_biases(model) if provider == "cpu" else model)


def simplify(model: ir.Model, provider: Provider) -> ir.Model:
    """Steps 3 to 5, in place."""
    rewrites = [drop_reshapes, keep_first_token]
    if provider == "cpu":
        rewrites = [fold_transposes, plain_layer_normalization, unpack_products, *rewrites]
    for step in rewrites:
        model = step(model)
        RemoveUnusedNodesPass()(model)
    return model


def quantize(model: ir.Model, precision: Precision, samples: Sequence[Feeds]) -> ir.Model:
    """Step 8 for a precision of 8 bits, in place; others stay as they are."""
    if precision == "int8":
        return quantize_int8(model, samples)
    return quantize_int8_fast(model, samples) if precision == "int8-fast" else model
