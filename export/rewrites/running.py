"""Runs a graph while it is being made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import onnx_ir as ir
import onnxruntime as ort

from engine.arrays import Feeds, Floats
from engine.artifact.artifact import PAST
from engine.runtime.machine.cores import cores
from engine.staging import scratch
from engine.text.prefix import no_past

from ..graph import spec

Outputs: TypeAlias = dict[str, Floats]
"""What a graph gives, by name."""


@contextmanager
def running(model: ir.Model) -> Iterator[Callable[[Feeds], Outputs]]:
    """A function that runs the graph on feeds, which need not say that nothing is past."""
    with scratch() as folder:
        path = folder / "running.onnx"
        ir.save(model, path, external_data=f"{path.name}.data")
        past = {tensor.name: no_past(tensor) for tensor in map(spec, model.graph.inputs) if tensor.name == PAST}
        yield opened(path, past)


def opened(path: Path, more: Feeds) -> Callable[[Feeds], Outputs]:
    """A function that runs a graph's file, which is given `more` with every run."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = cores()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, {**more, **feeds}), strict=True))
