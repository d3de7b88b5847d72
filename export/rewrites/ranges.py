"""Measures what values the activations of a graph take, by running it on samples."""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from engine.arrays import Feeds, Floats
from engine.artifact import PAST
from engine.runtime.cores import cores
from engine.text.prefix import no_past

from ..graph import interface
from .nodes import NodeList


@dataclass(frozen=True)
class Range:
    """The least and the largest value of each channel, `[K]`, of an activation `[..., K]`."""

    lowest: Floats
    highest: Floats

    @property
    def magnitudes(self) -> Floats:
        """The largest |x[..., k]|, `[K]`."""
        return np.maximum(-self.lowest, self.highest)


def channel_ranges(model: ir.Model, values: Collection[ir.Value], samples: Sequence[Feeds]) -> dict[ir.Value, Range]:
    """Runs the graph on the samples, which need not say that nothing is past."""
    if not values:
        return {}
    past = {tensor.name: no_past(tensor) for tensor in interface(model)[0] if tensor.name == PAST}
    names = [str(value.name) for value in values]
    found: dict[str, Floats] = {}
    with tempfile.TemporaryDirectory() as folder:
        session = _open(_probe(model, names), Path(folder) / "probe.onnx")
        outputs = [output.name for output in session.get_outputs()]
        for feeds in samples:
            for name, row in zip(outputs, session.run(outputs, {**past, **feeds}), strict=True):
                extreme = np.maximum if name.endswith(".highest") else np.minimum
                found[name] = extreme(row, found.get(name, row))
    return {
        value: Range(found[f"{name}.lowest"], found[f"{name}.highest"])
        for value, name in zip(values, names, strict=True)
    }


def _probe(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """The graph with the named values' extremes as its outputs, each `[K]`."""
    probe = model.clone()
    nodes = NodeList(probe.graph, "probe")
    produced = {value.name: value for node in probe.graph for value in node.outputs}
    del probe.graph.outputs[:]
    for name in names:
        rows = nodes.add("Flatten", produced[name], axis=-1)
        for operator, suffix in (("ReduceMin", "lowest"), ("ReduceMax", "highest")):
            extreme = nodes.add(operator, rows, axes=[0], keepdims=0)
            extreme.name, extreme.type = f"{name}.{suffix}", ir.TensorType(ir.DataType.FLOAT)
            probe.graph.outputs.append(extreme)
    probe.graph.extend(nodes.nodes)
    return probe


def _open(model: ir.Model, path: Path) -> ort.InferenceSession:
    ir.save(model, path, external_data=f"{path.name}.data")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = cores()
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
