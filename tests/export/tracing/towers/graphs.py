"""Tiny models with weights that matter, and the graphs of their towers in ONNX Runtime."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from transformers import PreTrainedModel

from engine.score_types import LATE_INTERACTION
from export.graph import FusedFor
from export.tracing.convert import Converter
from export.tracing.network import Network
from export.tracing.towers.convert import convert_vision
from export.tracing.towers.vision import VisionTower

FUSED = [("cpu", False, 1e-5), (None, False, 1e-5), (None, True, 2e-2), ("cuda", True, 2e-2)]
"""The provider of a graph, whether it computes in float16, and how far its values may be from the original's."""


def filled(model: PreTrainedModel, seed: int = 0) -> Any:
    """The model with weights large enough that each changes what comes out."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            weight.copy_(torch.randn_like(weight) * 0.1)
            if "norm" in name and name.endswith("weight"):
                weight += 1
    return model.eval()


class Graph:
    """A graph opened on a CPU."""

    def __init__(self, model: ir.Model) -> None:
        self.operators = {node.op_type for node in model.graph.all_nodes()}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        proto = ir.to_proto(model).SerializeToString()
        self._session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
        self.inputs = {tensor.name: tensor.shape for tensor in self._session.get_inputs()}
        self.types = {tensor.name: tensor.type for tensor in self._session.get_inputs()}
        self.outputs = {tensor.name: tensor.shape for tensor in self._session.get_outputs()}

    def run(self, **feeds: Any) -> Any:
        """Its first output."""
        return next(iter(self.run_all(**feeds).values()))

    def run_all(self, **feeds: Any) -> dict[str, Any]:
        """Its outputs by name."""
        made = self._session.run(None, {name: np.asarray(feeds[name]) for name in self.inputs})
        return dict(zip(self.outputs, made, strict=True))


def vision_graph(tower: VisionTower, provider: FusedFor | None = "cpu", half: bool = False) -> Graph:
    graph = Graph(convert_vision(tower, provider, half))
    assert set(graph.inputs) == set(tower.dims)
    assert not graph.operators & {"Conv", "NonZero", "Scan", "SequenceAt"}
    return graph


def text_graph(text: PreTrainedModel, inputs: Sequence[str] = (), precision: Any = "fp32") -> Graph:
    """The graph of a text body that gives the states of its tokens."""
    converter = Converter(Network(text), [], LATE_INTERACTION, ["input_ids", "attention_mask", *inputs])
    return Graph(converter.convert(precision, []))
