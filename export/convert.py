"""PyTorch to ONNX, and what a graph says of itself."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import onnx_ir as ir
import torch
from torch import Tensor
from transformers.exporters.configs import OnnxConfig
from transformers.exporters.exporter_onnx import OnnxExporter

from engine.artifact import Precision
from engine.artifact import Tensor as TensorSpec

from .network import ScoringNetwork
from .quantize import quantize_int8, quantize_int8_fast
from .simplify import simplify

Provider = Literal["cpu", "cuda"]

# ONNX files hold at most 2 GiB; larger weights go to a file beside the graph.
_INLINE_BYTES = 1_900_000_000

# The provider each precision is fused for.
PROVIDERS: dict[Precision, Provider] = {"fp32": "cpu", "fp16": "cuda", "int8": "cpu", "int8-fast": "cpu"}


class Converter:
    """Traces a network at most once for each type it computes in; 8-bit graphs start from the float32 one."""

    def __init__(self, network: ScoringNetwork, inputs: list[str]) -> None:
        self._network = network
        self._sample = _sample(inputs, network.config.vocab_size)

    def convert(self, precision: Precision) -> ir.Model:
        """The graph of that precision, with any batch and length, fused for the provider it is for."""
        if precision == "fp16":
            return _trace(halved(self._network), self._sample, PROVIDERS[precision])
        # A clone, because quantisation rewrites in place.
        model = self._float32.clone()
        if precision == "int8":
            return quantize_int8(model)
        return quantize_int8_fast(model) if precision == "int8-fast" else model

    @cached_property
    def _float32(self) -> ir.Model:
        return simplify(_trace(self._network, self._sample, PROVIDERS["fp32"]))


def _trace(network: ScoringNetwork, sample: dict[str, Any], provider: Provider) -> ir.Model:
    """`sample` holds int64 `[batch, tokens]` inputs, with padding in it so that masking is traced."""
    config = OnnxConfig(dynamic=True, ort_fusions=provider)
    with _quiet():
        model: ir.Model = OnnxExporter().export(network, sample, config=config).program
    _name_axes(model)
    return model


def halved(network: ScoringNetwork) -> ScoringNetwork:
    """A copy whose body computes in float16; inputs stay int64 and the output float32."""
    half = copy.deepcopy(network)
    half.body.half()
    return half


def save(model: ir.Model, path: Path) -> None:
    """Write the graph, its weights in `<path>.data` if they are too large for one file."""
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)
    ir.save(model, path, external_data=f"{path.name}.data" if weights > _INLINE_BYTES else None)


def interface(model: ir.Model) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """The graph's inputs and outputs, as a manifest lists them."""
    return [_spec(value) for value in model.graph.inputs], [_spec(value) for value in model.graph.outputs]


def _spec(value: ir.Value) -> TensorSpec:
    assert value.name is not None
    assert value.dtype is not None
    assert value.shape is not None
    dims = [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
    return TensorSpec(name=value.name, type=value.dtype.numpy().name, dims=dims)


def _name_axes(model: ir.Model) -> None:
    """Call the symbolic dimensions of inputs and outputs what they are, where tracing numbered them."""
    names: dict[str, str] = {}
    for value in model.graph.inputs:
        assert value.shape is not None
        for symbol, name in zip(value.shape, ("batch", "tokens"), strict=True):
            names[str(symbol)] = name
    for value in (*model.graph.inputs, *model.graph.outputs):
        assert value.shape is not None
        value.shape = ir.Shape([dim if isinstance(dim, int) else names.get(str(dim), str(dim)) for dim in value.shape])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' chatter out of a user's terminal; what goes wrong is raised."""
    levels = {name: logging.getLogger(name).level for name in ("torch", "transformers", "onnxscript")}
    sink = io.StringIO()
    with (
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def _sample(names: list[str], vocabulary: int) -> dict[str, Tensor]:
    """Two padded sequences to trace with, of sizes that no model dimension shares."""
    shape = (2, 11)
    mask = torch.ones(shape, dtype=torch.int64)
    mask[1, 6:] = 0
    ids = torch.arange(shape[0] * shape[1]).reshape(shape) % vocabulary
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros(shape, dtype=torch.int64)}
    return {name: inputs[name] for name in names}
