"""Converts a vision tower to an ONNX graph."""

import copy

import onnx_ir as ir
from torch.export import Dim

from engine.artifact.artifact import IMAGE_EMBEDDINGS
from engine.progress import Report, unheard
from engine.runtime.feeds import ROWS

from ...graph import FusedFor
from ...rewrites.order import rewrite
from ..convert import halved, trace
from .vision import VisionTower


def convert_vision(
    tower: VisionTower, provider: FusedFor | None, half: bool = False, report: Report = unheard
) -> ir.Model:
    """The graph of a tower for any number and size of pictures, fused for a provider; without one nothing is.

    With `half` the tower computes in float16. Inputs and the output are the same either way.
    """
    traced = halved(tower) if half else copy.copy(tower)
    traced.provider = provider
    shapes = {
        name: {axis: Dim.DYNAMIC for axis, dim in enumerate(tower.dims[name]) if isinstance(dim, str)}
        for name in tower.sample
    }
    model = rewrite(trace(traced, tower.sample, provider, shapes, report), provider, tower.dims)
    # Where more than the next layer reads a layer's states, what the rewrites add may stand after one of its readers.
    model.graph.sort()
    (output,) = model.graph.outputs
    if output.name == IMAGE_EMBEDDINGS:
        # They depend on what varies in the inputs, in a way that is the tower's.
        assert output.shape is not None
        output.shape = ir.Shape([output.shape[0], ROWS, output.shape[2]])
    return model
