"""Runs an ONNX graph as it was published, after checking that ScoreRT can fill its inputs."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime

from engine.arrays import Feeds, Floats
from engine.runtime.machine.cores import cores

from ..errors import ExportError, explained

POSITIONS = "position_ids"
_REQUIRED = ["input_ids", "attention_mask"]
_FED = [*_REQUIRED, "token_type_ids"]


class PublishedGraph:
    """`inputs` are what it is fed, `outputs` what it gives; position ids are made of the attention mask."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises `ExportError` for an input that cannot be filled."""
        self.path = path
        self._names = _check_inputs(path, load_graph(path).graph)
        self.inputs = [name for name in _FED if name in self._names]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = cores()
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ExportError(f"{path} does not load in ONNX Runtime: {error}") from None
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, outputs: list[str], feeds: Feeds) -> list[Floats]:
        """Those outputs in float32."""
        mask = feeds["attention_mask"]
        # As transformers counts positions where padding may be on the left.
        feeds = feeds | {POSITIONS: np.maximum(mask.cumsum(axis=1) - 1, 0)}
        found = self._session.run(outputs, {name: feeds[name] for name in self._names})
        return [array.astype(np.float32) for array in found]


def load_graph(path: Path) -> ir.Model:
    """The graph of a file. Raises `ExportError` for what is no ONNX."""
    with explained(f"{path} is damaged, or no ONNX file ({{}}): fetch it again."):
        return ir.load(path)


def _check_inputs(path: Path, graph: ir.Graph) -> list[str]:
    # Graphs of before IR version 4 list their weights among their inputs.
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    names = [str(value.name) for value in inputs]
    if any(name.startswith("past_key_values") for name in names):
        raise ExportError(
            f"{path} takes past_key_values, so it generates text a token at a time: export the model without a cache "
            "(optimum-cli export onnx --task feature-extraction)."
        )
    for name in names:
        if name not in (*_FED, POSITIONS):
            raise ExportError(f"{path} has an input {name}, and ScoreRT fills only {', '.join((*_FED, POSITIONS))}.")
    for name in _REQUIRED:
        if name not in names:
            raise ExportError(f"{path} has no input {name}, only {', '.join(names)}: export the model with it.")
    for value in inputs:
        dims = list(value.shape or [])
        if value.dtype != ir.DataType.INT64 or len(dims) != 2 or any(isinstance(dim, int) for dim in dims):
            raise ExportError(
                f"{path} has the input {value.name} as {value.dtype} {dims}: export the model with int64 inputs of any "
                "batch and length."
            )
    return names
