"""Quantises the products and embeddings of a graph to 8 bits (SmoothQuant), for ONNX Runtime's CPU provider.

Both functions rewrite every `MatMul` with a constant two-dimensional float weight to the contrib operator
`MatMulIntegerToFloat` (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), which multiplies
unsigned activations by signed weights, and every large embedding table to int8 rows with one scale per row.

Notation: an activation x has shape [..., K], a weight W has shape [K, N], S means tokens.

Weights. x86 processors with AVX2 but without VNNI multiply u8 by s8 with `vpmaddubsw`, which adds two adjacent products
along K in a saturating 16-bit integer. `reduce_range` avoids that by giving up one bit of every weight. Only the sum of
two adjacent weights has to be bounded, though: 255 * |w[2k] + w[2k+1]| <= 32767 holds for |w[2k] + w[2k+1]| <= 128.
So the scale of column n is max(max_k |W[k, n]| / 127, max_k |W[2k, n] + W[2k+1, n]| / 127), about half a bit finer than
seven-bit weights, and the integers are the same on all processors.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from engine.arrays import Feeds, Floats

from ..graph import MICROSOFT
from .activations import GELU, bias, is_attended, is_gelu, is_normalized
from .nodes import constant, constant_matrix, insert, replace
from .ranges import Range, channel_ranges
from .switch import Switch

# Both are choices that were not measured. Smaller products are taken to cost less than quantising their input; rows of
# token types and of other short tables are added to every token, so they stay exact.
MIN_WEIGHT = 1 << 14
MIN_TABLE = 1 << 16
GELU_MIN = 0.17  # GELU(x) >= -0.16998 for all x.
# Measured: zero at 16 after GELU, and the exponent 0.7, where 0.5 to 1.0 are as good (docs/benchmarks/log.md, "Whole
# graphs").
GELU_ZERO = 16
SMOOTHING = 0.7
# A range that is 15% too wide costs nothing that can be measured; one that is as much too narrow, a lot
# (docs/benchmarks/log.md, "With VNNI and bfloat16", on scales measured beforehand).
MARGIN = 1.15
BLOCKS_SINCE = 21  # The opset whose QuantizeLinear takes blocks.


class Quantize(Protocol):
    """Rewrites a float32 graph in place, for activations as large as those for the samples."""

    def __call__(
        self, model: ir.Model, samples: Sequence[Feeds], kept: Collection[str] = (), switch: Switch | None = None
    ) -> ir.Model: ...


def quantize_int8(
    model: ir.Model, samples: Sequence[Feeds], kept: Collection[str] = (), switch: Switch | None = None
) -> ir.Model:
    """Quantises in place with one activation scale per token.

    With c a constant vector [K] and r = max_k |x[..., k] / c[k]| / 127 of shape [..., 1]:
        q = round(x / c / r) + 128,    y = r * ((q - 128) @ Q(c[:, None] * W))
    c moves the range of outlier channels from activations to weights as in SmoothQuant (Xiao et al., 2023,
    https://arxiv.org/abs/2211.10438); c = max(1, (a / median(a)) ** SMOOTHING), a[k] being the largest |x[..., k]| over
    the samples, which are the graph's inputs for real texts. Heads (`Gemm`, one row a sequence) keep float activations.
    Products whose weights' names are `kept` stay as they are; with a `switch` all do, but for the one that it is told.
    """
    return _Quantizer(model, samples, rowwise=True, kept=kept, switch=switch).run()


def quantize_int8_fast(
    model: ir.Model, samples: Sequence[Feeds], kept: Collection[str] = (), switch: Switch | None = None
) -> ir.Model:
    """Quantises in place with one constant scale for each activation, from the samples, and biases inside products.

    Outlier channels are moved as in `quantize_int8`. A feed-forward layer's inner activations, whose range differs most
    from token to token, keep a scale per token.
    """
    return _Quantizer(model, samples, rowwise=False, kept=kept, switch=switch).run()


def quantize_weight(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Returns integers [K, N] and scales [N] of W [K, N], with every |w[2k] + w[2k+1]| <= 128 (see the module)."""
    even, odd = weight[: len(weight) // 2 * 2 : 2], weight[1::2]
    limit = np.maximum(np.abs(weight).max(axis=0), np.abs(even + odd).max(axis=0))
    scale = _scale(limit)
    return _rounded(weight, scale), scale


def quantize_rows(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Returns integers [V, H] and scales [V, 1] of an embedding table [V, H], or of a [N, K] weight."""
    limit = np.abs(table).max(axis=1, keepdims=True)
    scale = _scale(limit)
    return _rounded(table, scale), scale


def _rounded(weight: Floats, scale: Floats) -> npt.NDArray[np.int8]:
    quotient = weight / scale
    # In place, since of a large vocabulary's table each copy takes as much as all layers of a small model.
    np.rint(quotient, out=quotient)
    integers: npt.NDArray[np.int8] = quotient.astype(np.int8)
    return integers


def _scale(limit: Floats, steps: int = 127) -> Floats:
    # Of zeros, and of what would have a scale that float32 hardly holds, any larger one makes zeros.
    scale = limit / steps
    return np.where(scale >= np.finfo(np.float32).tiny, scale, 1).astype(np.float32)


class _Quantizer:
    """Rewrites one graph; `_quantized` shares the quantisation of an activation between its products (Q, K and V)."""

    def __init__(
        self,
        model: ir.Model,
        samples: Sequence[Feeds],
        rowwise: bool,
        kept: Collection[str],
        switch: Switch | None,
    ) -> None:
        self.model = model
        self.graph = model.graph
        self._samples = samples
        self._rowwise = rowwise
        self._kept = kept
        self._switch = switch
        self._quantized: dict[ir.Value, _Activation] = {}
        self._zero_tensors: dict[tuple[object, ...], ir.Value] = {}

    def run(self) -> ir.Model:
        if not self._rowwise:
            _approximate_gelu(self.graph)
        products = [n for n in self.graph if n.op_type == "MatMul" and self._weight(n, 1, MIN_WEIGHT) is not None]
        activations = dict.fromkeys(n.inputs[0] for n in products if n.inputs[0] is not None)
        normalized = {x for x in activations if is_normalized(x)}
        measured = [x for x in activations if x in normalized or (not self._rowwise and is_attended(x))]
        ranges = channel_ranges(self.model, measured, self._samples)
        smoothing = {x: _channel_scales(ranges[x]) for x in ranges if x in normalized}
        for node in products:
            self._product(node, ranges, smoothing)
        for node in list(self.graph):
            if node.op_type == "Gather" and node.attributes.get_int("axis", 0) == 0:
                self._table(node)
            elif node.op_type == "Gemm":
                self._head(node)
        RemoveUnusedNodesPass()(self.model)
        self.graph.opset_imports[MICROSOFT] = 1
        self.graph.opset_imports[""] = max(self.graph.opset_imports[""], BLOCKS_SINCE)
        return self.model

    def _weight(self, node: ir.Node, index: int, minimum: int) -> Floats | None:
        """The constant matrix that an operator reads at `index`, where it is to be in 8 bits."""
        value = node.inputs[index]
        return None if value is None or value.name in self._kept else constant_matrix(node, index, minimum)

    def _put(self, node: ir.Node, y: ir.Value, weight: str) -> None:
        """Have `y`, which reads the weight of that name in 8 bits, in the place of the node's output."""
        if self._switch is None:
            replace(node, y)
        else:
            self._switch.put(node, y, weight)

    def _product(self, node: ir.Node, ranges: Mapping[ir.Value, Range], smoothing: Mapping[ir.Value, Floats]) -> None:
        x, value = node.inputs[0], node.inputs[1]
        weight = self._weight(node, 1, MIN_WEIGHT)
        assert x is not None
        assert value is not None
        assert weight is not None
        if x not in self._quantized:
            scales = smoothing.get(x)
            if self._rowwise or x not in ranges:
                self._quantized[x] = self._rows(node, x, len(weight), scales)
            else:
                self._quantized[x] = self._tensor(node, x, ranges[x], scales)
        activation = self._quantized[x]
        name = f"{value.name}.{x.name}" if x in smoothing else value.name  # Two activations can share a weight.
        w, scale = quantize_weight(weight * smoothing[x][:, None] if x in smoothing else weight)
        operands: list[ir.Value | None] = [
            activation.integers, constant(self.graph, f"{name}.int8", w), activation.scale,
            constant(self.graph, f"{name}.scale", scale), activation.zero,
        ]  # fmt: skip
        last = node
        if activation.rows is None:
            added = bias(node)
            if added is not None:
                last, addend = added
                operands += [None, addend]
        y = insert(node, "MatMulIntegerToFloat", operands, domain=MICROSOFT)
        if activation.rows is not None:
            y = insert(node, "Mul", [y, activation.rows])
        self._put(last, y, str(value.name))
        if last is not node and self._switch is None:
            self.graph.remove(node, safe=True)

    def _rows(self, node: ir.Node, x: ir.Value, width: int, smoothing: Floats | None) -> "_Activation":
        """Quantises x [..., K] with scales r [..., 1]; one Mul by r after the product restores the range.

        `MatMulIntegerToFloat` takes one scale for the whole activation, so that it is told 1. Each token is a block of
        K to `QuantizeLinear`, which then needs no division before it and gives the same integers.
        After GELU, which is never below -0.17, zero is the integer 16 rather than 128: almost twice the resolution.
        """
        shape = x.shape
        last_axis = constant(self.graph, "quantize.last_axis", np.array([-1], np.int64))
        if is_gelu(x):
            zero, largest, floor = GELU_ZERO, x, GELU_MIN / GELU_ZERO
        else:
            x = self._smoothed(node, x, smoothing)
            zero, largest, floor = 128, insert(node, "Abs", [x]), 1e-12
        largest = insert(node, "ReduceMax", [largest, last_axis], {"keepdims": 1})
        step = constant(self.graph, f"quantize.step{zero}", np.float32(1 / (255 - zero)))
        floor_value = constant(self.graph, f"quantize.floor{zero}", np.float32(floor))
        rows = insert(node, "Max", [insert(node, "Mul", [largest, step]), floor_value])
        one = constant(self.graph, "quantize.one", np.float32(1))
        zero_value = constant(self.graph, f"quantize.zero{zero}", np.uint8(zero))
        zeros = self._zeros(node, shape, zero_value, rows)
        integers = insert(node, "QuantizeLinear", [x, rows, zeros], {"axis": -1, "block_size": width})
        return _Activation(integers, one, zero_value, rows)

    def _zeros(self, node: ir.Node, shape: ir.Shape | None, zero: ir.Value, rows: ir.Value) -> ir.Value:
        """A zero for each of the rows' scales, shared by activations of one shape but for their width."""
        known = None if shape is None or shape.has_unknown_dim() else shape[:-1]
        key: tuple[object, ...] = (rows,) if known is None else (zero, *map(str, known))
        if key not in self._zero_tensors:
            self._zero_tensors[key] = insert(node, "Expand", [zero, insert(node, "Shape", [rows])])
        return self._zero_tensors[key]

    def _tensor(self, node: ir.Node, x: ir.Value, measured: Range, smoothing: Floats | None) -> "_Activation":
        """Quantises x [..., K] with one constant scale and zero, for values up to `MARGIN` times those measured."""
        c = np.float32(1) if smoothing is None else smoothing
        lowest = MARGIN * min(0.0, float((measured.lowest / c).min()))
        highest = MARGIN * max(0.0, float((measured.highest / c).max()))
        step = float(_scale(np.array(highest - lowest), 255))
        zero = round(-lowest / step)
        scale = constant(self.graph, f"{x.name}.step", np.float32(step))
        zero_value = constant(self.graph, f"quantize.zero{zero}", np.uint8(zero))
        integers = insert(node, "QuantizeLinear", [self._smoothed(node, x, smoothing), scale, zero_value])
        return _Activation(integers, scale, zero_value, None)

    def _smoothed(self, node: ir.Node, x: ir.Value, smoothing: Floats | None) -> ir.Value:
        if smoothing is None:
            return x
        return insert(node, "Mul", [x, constant(self.graph, f"{x.name}.smoothing", (1 / smoothing).astype(np.float32))])

    def _table(self, node: ir.Node) -> None:
        """Gather(W [V, H], ids [...]) = Cast(Gather(Q(W), ids)) * Gather(scale [V, 1], ids)."""
        table, ids = node.inputs
        weight = self._weight(node, 0, MIN_TABLE)
        if table is None or weight is None:
            return
        w, scale = quantize_rows(weight)
        rows = insert(node, "Gather", [constant(self.graph, f"{table.name}.int8", w), ids])
        rows = insert(node, "Cast", [rows], {"to": ir.DataType.FLOAT})
        scales = insert(node, "Gather", [constant(self.graph, f"{table.name}.scale", scale), ids])
        self._put(node, insert(node, "Mul", [rows, scales]), str(table.name))

    def _head(self, node: ir.Node) -> None:
        """Gemm(x, W, b) = x @ (Cast(Q(W)) * scale) + b of a dense layer over pooled rows: its weight is kept in 8 bits,
        ONNX Runtime makes floats of it once, as it loads, and the product is in float."""
        x, value, addend = (*node.inputs, None)[:3]
        weight = self._weight(node, 1, MIN_WEIGHT)
        if value is None or weight is None:
            return
        w, scale = quantize_rows(weight if node.attributes.get_int("transB", 0) else weight.T)
        columns = insert(
            node,
            "Cast",
            [constant(self.graph, f"{value.name}.int8", np.ascontiguousarray(w.T))],
            {"to": ir.DataType.FLOAT},
        )
        columns = insert(node, "Mul", [columns, constant(self.graph, f"{value.name}.scale", scale[:, 0])])
        y = insert(node, "MatMul", [x, columns])
        self._put(node, y if addend is None else insert(node, "Add", [y, addend]), str(value.name))


def _approximate_gelu(graph: ir.Graph) -> None:
    """Replaces erf in GELU by tanh (Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415): error below 5e-4."""
    for node in list(graph):
        if (node.domain, node.op_type) in GELU:
            replace(node, insert(node, "FastGelu", node.inputs, domain=MICROSOFT))


@dataclass(frozen=True)
class _Activation:
    """x = (integers - zero) * scale, times rows [..., 1] where the scale is per token."""

    integers: ir.Value
    scale: ir.Value
    zero: ir.Value
    rows: ir.Value | None


def _channel_scales(measured: Range) -> Floats:
    """Returns c [K] (see `quantize_int8`)."""
    a = measured.magnitudes
    scales: Floats = np.maximum(1, (a / max(float(np.median(a)), 1e-12)) ** SMOOTHING).astype(np.float32)
    return scales
