"""Eight-bit quantisation of ONNX encoder graphs for ONNX Runtime's CPU provider.

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

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import onnxruntime as ort
from onnx_ir.passes.common import RemoveUnusedNodesPass

from engine.artifact import PAST
from engine.prefix import no_past

from .graph import MICROSOFT, interface
from .simplify import Floats, constant_matrix, insert, replace

Feeds = Mapping[str, npt.NDArray[Any]]

MIN_WEIGHT = 1 << 14  # Smaller products cost less than the quantisation of their input.
MIN_TABLE = 1 << 16  # Rows of token types and other short tables are added to every token; keep them exact.
GELU = {("", "Gelu"), (MICROSOFT, "Gelu"), (MICROSOFT, "BiasGelu"), (MICROSOFT, "FastGelu")}
GELU_MIN = 0.17  # GELU(x) >= -0.16998 for all x.
GELU_ZERO = 16
SMOOTHING = 0.7
BLOCKS_SINCE = 21  # The opset whose QuantizeLinear takes blocks.


def quantize_int8(model: ir.Model) -> ir.Model:
    """Quantises in place with one activation scale per token, so that no score depends on the rest of its batch.

    With c a constant vector [K] and r = max_k |x[..., k] / c[k]| / 127 of shape [..., 1]:
        q = round(x / c / r) + 128,    y = r * ((q - 128) @ Q(c[:, None] * W))
    c moves the range of outlier channels from activations to weights as in SmoothQuant (Xiao et al., 2023,
    https://arxiv.org/abs/2211.10438); c = max(1, (a / median(a)) ** SMOOTHING), a[k] being the largest |x[..., k]| over
    a few sequences of random token ids: these channels are outliers for any text (Kovaleva et al., 2021,
    https://arxiv.org/abs/2105.06990). Heads (`Gemm`, one row a sequence) keep float activations.
    """
    return _Quantizer(model).run(rowwise=True)


def quantize_int8_fast(model: ir.Model) -> ir.Model:
    """Quantises in place with one activation scale per tensor (`DynamicQuantizeLinear`), biases inside the product.

    Outlier channels are moved as in `quantize_int8`, and GELU's outputs, whose range differs most from token to token,
    keep a scale per token. A score depends on all tokens in the run: run one sequence, unpadded, at a time.
    """
    return _Quantizer(model).run(rowwise=False)


def quantize_weight(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Returns integers [K, N] and scales [N] of W [K, N], with every |w[2k] + w[2k+1]| <= 128 (see the module)."""
    even, odd = weight[: len(weight) // 2 * 2 : 2], weight[1::2]
    limit = np.maximum(np.abs(weight).max(axis=0), np.abs(even + odd).max(axis=0))
    scale = _scale(limit)
    return np.rint(weight / scale).astype(np.int8), scale


def quantize_rows(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Returns integers [V, H] and scales [V, 1] of an embedding table [V, H], or of a [N, K] weight."""
    limit = np.abs(table).max(axis=1, keepdims=True)
    scale = _scale(limit)
    return np.rint(table / scale).astype(np.int8), scale


def _scale(limit: Floats) -> Floats:
    # Of zeros, and of what would have a scale that float32 hardly holds, any larger one makes zeros.
    scale = limit / 127
    return np.where(scale >= np.finfo(np.float32).tiny, scale, 1).astype(np.float32)


def random_samples(model: ir.Model) -> list[Feeds]:
    """Returns unpadded sequences of random token ids, for the inputs that every text encoder has; nothing is past."""
    tables = [n.inputs[0] for n in model.graph if n.op_type == "Gather" and n.inputs[1] in model.graph.inputs]
    vocabulary = max((int(t.shape[0]) for t in tables if t is not None and t.shape), default=1000)  # type: ignore[arg-type]
    rng, shape = np.random.default_rng(0), (1, 64)
    constant: dict[str, npt.NDArray[Any]] = {
        "attention_mask": np.ones(shape, np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
        "adapter": np.zeros(1, np.int64),
    }
    constant |= {tensor.name: no_past(tensor) for tensor in interface(model)[0] if tensor.name == PAST}
    return [
        {str(i.name): constant.get(str(i.name), rng.integers(0, vocabulary, shape)) for i in model.graph.inputs}
        for _ in range(8)
    ]


class _Quantizer:
    """Rewrites one graph; `_quantized` shares the quantisation of an activation between its products (Q, K and V)."""

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self.graph = model.graph
        self._quantized: dict[ir.Value, _Activation] = {}

    def run(self, rowwise: bool) -> ir.Model:
        if not rowwise:
            _approximate_gelu(self.graph)
        products = [n for n in self.graph if n.op_type == "MatMul" and constant_matrix(n, 1, MIN_WEIGHT) is not None]
        normalised = {x for x in (n.inputs[0] for n in products) if x is not None and _is_normalised(x)}
        smoothing = self._channel_scales(normalised)
        for node in products:
            self._product(node, rowwise, smoothing)
        for node in list(self.graph):
            if node.op_type == "Gather" and node.attributes.get_int("axis", 0) == 0:
                self._table(node)
            elif node.op_type == "Gemm":
                self._head(node)
        RemoveUnusedNodesPass()(self.model)
        self.graph.opset_imports[MICROSOFT] = 1
        self.graph.opset_imports[""] = max(self.graph.opset_imports[""], BLOCKS_SINCE)
        return self.model

    def _product(self, node: ir.Node, rowwise: bool, smoothing: Mapping[ir.Value, Floats]) -> None:
        x, value = node.inputs[0], node.inputs[1]
        weight = constant_matrix(node, 1, MIN_WEIGHT)
        assert x is not None
        assert value is not None
        assert weight is not None
        if x not in self._quantized:
            by_row = rowwise or _is_gelu(x)
            scales = smoothing.get(x)
            self._quantized[x] = self._rows(node, x, len(weight), scales) if by_row else self._tensor(node, x, scales)
        activation = self._quantized[x]
        name = f"{value.name}.{x.name}" if x in smoothing else value.name  # Two activations can share a weight.
        w, scale = quantize_weight(weight * smoothing[x][:, None] if x in smoothing else weight)
        operands: list[ir.Value | None] = [
            activation.integers, self._constant(f"{name}.int8", w), activation.scale,
            self._constant(f"{name}.scale", scale), activation.zero,
        ]  # fmt: skip
        last = node
        if activation.rows is None:
            added = _bias(node)
            if added is not None:
                last, bias = added
                operands += [None, bias]
        y = insert(node, "MatMulIntegerToFloat", operands, domain=MICROSOFT)
        if activation.rows is not None:
            y = insert(node, "Mul", [y, activation.rows])
        replace(last, y)
        if last is not node:
            self.graph.remove(node, safe=True)

    def _rows(self, node: ir.Node, x: ir.Value, width: int, smoothing: Floats | None) -> "_Activation":
        """Quantises x [..., K] with scales r [..., 1]; one Mul by r after the product restores the range.

        `MatMulIntegerToFloat` takes one scale for the whole activation, so that it is told 1. Each token is a block of
        K to `QuantizeLinear`, which then needs no division before it and gives the same integers.
        After GELU, which is never below -0.17, zero is the integer 16 rather than 128: almost twice the resolution.
        """
        last_axis = self._constant("quantize.last_axis", np.array([-1], np.int64))
        if _is_gelu(x):
            zero, largest, floor = GELU_ZERO, x, GELU_MIN / GELU_ZERO
        else:
            x = self._smoothed(node, x, smoothing)
            zero, largest, floor = 128, insert(node, "Abs", [x]), 1e-12
        largest = insert(node, "ReduceMax", [largest, last_axis], {"keepdims": 1})
        step = self._constant(f"quantize.step{zero}", np.float32(1 / (255 - zero)))
        floor_value = self._constant(f"quantize.floor{zero}", np.float32(floor))
        rows = insert(node, "Max", [insert(node, "Mul", [largest, step]), floor_value])
        one = self._constant("quantize.one", np.float32(1))
        zero_value = self._constant(f"quantize.zero{zero}", np.uint8(zero))
        zeros = insert(node, "Expand", [zero_value, insert(node, "Shape", [rows])])
        integers = insert(node, "QuantizeLinear", [x, rows, zeros], {"axis": -1, "block_size": width})
        return _Activation(integers, one, zero_value, rows)

    def _tensor(self, node: ir.Node, x: ir.Value, smoothing: Floats | None) -> "_Activation":
        dynamic = ir.node("DynamicQuantizeLinear", [self._smoothed(node, x, smoothing)], num_outputs=3)
        self.graph.insert_before(node, dynamic)
        integers, scale, zero = dynamic.outputs
        return _Activation(integers, scale, zero, None)

    def _smoothed(self, node: ir.Node, x: ir.Value, smoothing: Floats | None) -> ir.Value:
        if smoothing is None:
            return x
        return insert(node, "Mul", [x, self._constant(f"{x.name}.smoothing", (1 / smoothing).astype(np.float32))])

    def _table(self, node: ir.Node) -> None:
        """Gather(W [V, H], ids [...]) = Cast(Gather(Q(W), ids)) * Gather(scale [V, 1], ids)."""
        table, ids = node.inputs
        weight = constant_matrix(node, 0, MIN_TABLE)
        if table is None or weight is None:
            return
        w, scale = quantize_rows(weight)
        rows = insert(node, "Gather", [self._constant(f"{table.name}.int8", w), ids])
        rows = insert(node, "Cast", [rows], {"to": ir.DataType.FLOAT})
        scales = insert(node, "Gather", [self._constant(f"{table.name}.scale", scale), ids])
        replace(node, insert(node, "Mul", [rows, scales]))

    def _head(self, node: ir.Node) -> None:
        """Gemm(x, W, b) = x @ (Cast(Q(W)) * scale) + b of a dense layer over pooled rows: its weight is kept in 8 bits,
        ONNX Runtime makes floats of it once, as it loads, and the product is in float."""
        x, value, bias = (*node.inputs, None)[:3]
        weight = constant_matrix(node, 1, MIN_WEIGHT)
        if value is None or weight is None:
            return
        w, scale = quantize_rows(weight if node.attributes.get_int("transB", 0) else weight.T)
        columns = insert(
            node, "Cast", [self._constant(f"{value.name}.int8", np.ascontiguousarray(w.T))], {"to": ir.DataType.FLOAT}
        )
        columns = insert(node, "Mul", [columns, self._constant(f"{value.name}.scale", scale[:, 0])])
        y = insert(node, "MatMul", [x, columns])
        replace(node, y if bias is None else insert(node, "Add", [y, bias]))

    def _channel_scales(self, values: set[ir.Value]) -> dict[ir.Value, Floats]:
        """Returns c [K] of each value [..., K] (see `quantize_int8`), measured by running the float graph."""
        if not values:
            return {}
        largest = _channel_maxima(self.model, [str(v.name) for v in values], random_samples(self.model))
        scales = {}
        for v in values:
            a = largest[str(v.name)]
            scales[v] = np.maximum(1, (a / max(float(np.median(a)), 1e-12)) ** SMOOTHING).astype(np.float32)
        return scales

    def _constant(self, name: str, array: npt.NDArray[np.generic] | np.generic) -> ir.Value:
        if name not in self.graph.initializers:
            self.graph.register_initializer(ir.Value(name=name, const_value=ir.tensor(np.asarray(array), name=name)))
        return self.graph.initializers[name]


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


def _bias(node: ir.Node) -> tuple[ir.Node, ir.Value] | None:
    """Returns the Add after a product and its constant vector [N], if the product is used nowhere else."""
    uses = list(node.outputs[0].uses())
    if len(uses) != 1 or uses[0].node.op_type != "Add":
        return None
    other = uses[0].node.inputs[1 - uses[0].idx]
    tensor = ir.convenience.get_const_tensor(other) if other is not None else None
    return (uses[0].node, other) if other is not None and tensor is not None and len(tensor.shape) == 1 else None


def _is_gelu(x: ir.Value) -> bool:
    producer = x.producer()
    return producer is not None and (producer.domain, producer.op_type) in GELU


def _is_normalised(x: ir.Value) -> bool:
    """Tells whether x is a layer normalisation's output, where outliers live, or the Mul or Add that ends one."""
    producer = x.producer()
    if producer is None:
        return False
    if producer.op_type in {"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"}:
        return True
    constants = [v is not None and ir.convenience.get_const_tensor(v) is not None for v in producer.inputs]
    return producer.op_type in {"Add", "Mul"} and any(constants)


def _channel_maxima(model: ir.Model, names: list[str], samples: Iterable[Feeds]) -> dict[str, Floats]:
    """Returns max |x[..., k]|, shape [K], of the named values over the samples."""
    probe = model.clone()
    axis = ir.Value(name="probe.axis", const_value=ir.tensor(np.array([0], np.int64), name="probe.axis"))
    probe.graph.register_initializer(axis)
    produced = {v.name: v for node in probe.graph for v in node.outputs}
    del probe.graph.outputs[:]
    for name in names:
        absolute = ir.node("Abs", [produced[name]])
        rows = ir.node("Flatten", absolute.outputs, {"axis": -1})
        largest = ir.node("ReduceMax", [rows.outputs[0], axis], {"keepdims": 0})
        largest.outputs[0].name = f"{name}.largest"
        largest.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        probe.graph.extend([absolute, rows, largest])
        probe.graph.outputs.append(largest.outputs[0])
    maxima: dict[str, Floats] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        ir.save(probe, path, external_data="probe.data")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for feeds in samples:
            found = session.run([f"{name}.largest" for name in names], dict(feeds))
            maxima = {n: np.maximum(a, maxima.get(n, a)) for n, a in zip(names, found, strict=True)}
    return maxima
