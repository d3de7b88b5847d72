"""Converts a PyTorch network to an ONNX graph of a precision.

In order: trace the body, append the heads, and apply the rewrites (`rewrites.order` says which, and why in that order).
"""

import contextlib
import copy
import logging
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TextIO, TypeVar

import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.exporters.configs import OnnxConfig
from transformers.exporters.exporter_onnx import OnnxExporter

from engine.arrays import Feeds
from engine.artifact.artifact import PAST
from engine.artifact.precisions import Precision
from engine.progress import Report, part, unheard
from engine.runtime.feeds import Run, fill
from engine.score_types import ScoreType
from engine.text.layout import Input

from ..exporter import Costs
from ..graph import FusedFor
from ..heads.in_onnx import append_heads
from ..heads.loaded import LoadedHead
from ..precisions import PRECISIONS
from ..rewrites.float_inputs import keep_float32
from ..rewrites.order import rewrite
from .attention import as_operators
from .costs import costs
from .mapped import IN_MEMORY, Mapped
from .network import STATES, Network
from .steps import Counted, Printed, counted
from .towers.merged import MergedBody

Traced = TypeVar("Traced", bound=PreTrainedModel)


class Converter:
    """Traces a network at most once for each type it computes in; 8-bit graphs start from the float32 one.

    The heads are appended to every graph: they compute in float32 whatever the body's precision is.
    """

    def __init__(
        self,
        network: Network,
        heads: Sequence[LoadedHead],
        scoring: ScoreType,
        inputs: Sequence[str],
        mapped: Mapped = IN_MEMORY,
    ) -> None:
        self._network = network
        self._heads = heads
        self._scoring = scoring
        self._sample = _sample(inputs, network)
        self._traced: ir.Model | None = None
        self._mapped = mapped

    def convert(
        self, precision: Precision, samples: Sequence[Feeds], kept: Collection[str] = (), report: Report = unheard
    ) -> ir.Model:
        """The graph of that precision, with any batch and length, fused for the provider it is for.

        An 8-bit one is made for activations as large as those for the samples, but for the weights that are `kept`.
        """
        making = PRECISIONS[precision]
        if making.half:
            half = {name: tensor.half() if name == PAST else tensor for name, tensor in self._sample.items()}
            return self._trace(halved(self._network), half, making.provider, report)
        # Clones, because quantisation rewrites in place.
        if making.quantize is None:
            return self._float32(report).clone()
        middle = 0.5 if self._traced is None else 0.0
        model = self._float32(part(report, 0, middle)).clone()
        return making.quantize(model, Counted(samples, part(report, middle, 1)), kept)

    def costs(self, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
        """What to keep of an 8-bit graph."""
        return costs(self._float32(unheard), self._network, precision, samples, report)

    def plain(self, precision: Precision) -> ir.Model:
        """The graph in float16 or float32 of ONNX's own operators alone, without a past: prompts are computed whole."""
        sample = {name: tensor for name, tensor in self._sample.items() if name != PAST}
        network = halved(self._network) if PRECISIONS[precision].half else self._network
        return self._trace(network, sample, None, unheard)

    def _float32(self, report: Report) -> ir.Model:
        """The graph that those in float32 and in 8 bits are made of, traced once."""
        if self._traced is None:
            self._traced = self._trace(self._network, self._sample, PRECISIONS["fp32"].provider, report)
            self._mapped.graph(self._traced, "text")
        return self._traced

    def _trace(
        self, network: Network, sample: dict[str, Tensor], provider: FusedFor | None, report: Report
    ) -> ir.Model:
        """The graph without quantisation; without a provider nothing is fused."""
        with as_operators(network, provider) if provider else contextlib.nullcontext():
            model = trace(network, sample, provider, report=report)
        states = next((output for output in model.graph.outputs if output.name == STATES), None)
        if states is not None:
            append_heads(model.graph, self._heads, states, self._scoring)
        return rewrite(model, provider)


def trace(
    module: PreTrainedModel,
    sample: dict[str, Tensor],
    provider: FusedFor | None,
    shapes: dict[str, dict[int, Any]] | None = None,
    report: Report = unheard,
) -> ir.Model:
    """The graph of a module as the exporter writes it; without a provider nothing is fused.

    All inputs that are not integers are float32, but for a past. `shapes` are the axes of inputs that vary, where not
    all do.
    """
    config = OnnxConfig(dynamic=shapes is None, dynamic_shapes=shapes, ort_fusions=provider)
    with _quiet(Printed(report)), counted(module, report):
        model: ir.Model = OnnxExporter().export(module, {**sample}, config=config).program
    # It holds a stack trace for each node, with the paths of the machine that traced it.
    ClearMetadataAndDocStringPass()(model)
    return keep_float32(model)


def halved(module: Traced) -> Traced:
    """A copy that computes in float16, but for the frequencies of rotary embeddings.

    transformers keeps those in float32 and multiplies positions by them: in float16 each position in the thousands
    would be off by about one. Code that a checkpoint brings along is left to itself.
    """
    # Each is converted as it is copied, so that there is no copy in float32.
    copied = {
        id(parameter): nn.Parameter(parameter.detach().half(), parameter.requires_grad)
        for parameter in module.parameters()
        if parameter.is_floating_point()
    }
    half: Traced = copy.deepcopy(module, copied).half()
    for name, buffer in module.named_buffers():
        owner, _, leaf = name.rpartition(".")
        remote = type(module.get_submodule(owner)).__module__.startswith("transformers_modules.")
        if leaf.endswith("inv_freq") and not remote:
            setattr(half.get_submodule(owner), leaf, buffer)
    return half


@contextlib.contextmanager
def _quiet(sink: TextIO) -> Iterator[None]:
    """Keep the exporters' chatter out of a user's terminal; what goes wrong is raised."""
    levels = {name: logging.getLogger(name).level for name in ("torch", "transformers", "onnxscript")}
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


def _sample(names: Sequence[str], network: Network) -> dict[str, Tensor]:
    """Two sequences to trace with, and a past, with padding so that masking is traced.

    The sizes 2, 11, 6 and 7 are a choice: different from each other and from a model's own, so that no two are taken
    for one.
    """
    shape = (2, 11)
    ids = np.arange(shape[0] * shape[1]).reshape(shape) % network.config.vocab_size
    none = np.zeros(shape[1], np.int64)
    inputs = [Input(row, none, attended) for row, attended in zip(ids, (11, 6), strict=True)]
    feeds = network.body.sample(torch.from_numpy(ids)) if isinstance(network.body, MergedBody) else {}
    of_texts = fill(set(names) - feeds.keys(), Run(inputs, 0, shape, pad_token=0))
    feeds |= {name: torch.from_numpy(feed) for name, feed in of_texts.items()}
    if PAST in names:
        feeds[PAST] = network.past_of(torch.from_numpy(ids[:1, :7]))
    return {name: feeds[name] for name in names}
