"""PyTorch to ONNX."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from transformers.exporters.configs import OnnxConfig
from transformers.exporters.exporter_onnx import OnnxExporter

from engine.artifact import PAST
from engine.precisions import Precision

from ..graph import PROVIDERS, Provider, name_axes
from ..rewrites.biases import fold_biases
from ..rewrites.quantize import quantize_int8, quantize_int8_fast
from ..rewrites.simplify import simplify
from ..verification.reference import Feeds
from .attention import as_operators, define
from .key_lengths import as_inputs
from .network import ScoringNetwork


class Converter:
    """Traces a network at most once for each type it computes in; 8-bit graphs start from the float32 one."""

    def __init__(self, network: ScoringNetwork, inputs: list[str]) -> None:
        self._network = network
        self._sample = _sample(inputs, network)

    def convert(self, precision: Precision, samples: Sequence[Feeds]) -> ir.Model:
        """The graph of that precision, with any batch and length, fused for the provider it is for.

        An 8-bit one is made for activations as large as those for the samples.
        """
        if precision == "fp16":
            half = {name: tensor.half() if name == PAST else tensor for name, tensor in self._sample.items()}
            return _trace(halved(self._network), half, PROVIDERS[precision])
        # A clone, because quantisation rewrites in place.
        model = self._float32.clone()
        if precision == "int8":
            return quantize_int8(model, samples)
        return quantize_int8_fast(model, samples) if precision == "int8-fast" else model

    def plain(self, precision: Precision) -> ir.Model:
        """The graph in float16 or float32 of ONNX's own operators alone, without a past: prompts are computed whole."""
        sample = {name: tensor for name, tensor in self._sample.items() if name != PAST}
        return _trace(halved(self._network) if precision == "fp16" else self._network, sample, None)

    @cached_property
    def _float32(self) -> ir.Model:
        return _trace(self._network, self._sample, PROVIDERS["fp32"])


def _trace(network: ScoringNetwork, sample: dict[str, Any], provider: Provider | None) -> ir.Model:
    """`sample` holds int64 `[batch, tokens]` inputs, with padding in it so that masking is traced, and a past.

    Without a provider nothing is fused.
    """
    config = OnnxConfig(dynamic=True, ort_fusions=provider)
    operators = as_operators(network, provider) if provider else contextlib.nullcontext()
    with _quiet(), operators:
        model: ir.Model = OnnxExporter().export(network, sample, config=config).program
    name_axes(model)
    if provider is None:
        return model
    model = simplify(as_inputs(model), provider)
    return define(fold_biases(model) if provider == "cpu" else model)


def halved(network: ScoringNetwork) -> ScoringNetwork:
    """A copy whose body computes in float16; inputs stay int64 and the output float32."""
    half = copy.deepcopy(network)
    half.body.half()
    return half


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


def _sample(names: list[str], network: ScoringNetwork) -> dict[str, Tensor]:
    """Two padded sequences to trace with, of sizes that no model dimension shares."""
    shape = (2, 11)
    mask = torch.ones(shape, dtype=torch.int64)
    mask[1, 6:] = 0
    ids = torch.arange(shape[0] * shape[1]).reshape(shape) % network.config.vocab_size
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": torch.zeros(shape, dtype=torch.int64),
        "adapter": torch.zeros(shape[0], dtype=torch.int64),
    }
    if PAST in names:
        inputs[PAST] = network.past_of(ids[:1, :7])
    return {name: inputs[name] for name in names}
