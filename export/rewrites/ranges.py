"""Measures what values the activations of a graph take, by running it on samples."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from engine.arrays import Feeds, Floats

from .nodes import NodeList
from .running import running


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
    names = [str(value.name) for value in values]
    found: dict[str, Floats] = {}
    with running(_probe(model, names)) as run:
        for feeds in samples:
            for name, row in run(feeds).items():
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
