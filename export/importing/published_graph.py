"""Runs an ONNX graph as it was published, after checking that ScoreRT can fill its inputs."""

import bisect
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from engine.arrays import Feeds, Floats
from engine.runtime.machine.cores import cores

from ..errors import ExportError, explained, one_line

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
        options.log_severity_level = 4  # what fails is said in a sentence
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
        return [array.astype(np.float32) for array in self._run(outputs, feeds)]

    def _run(self, outputs: list[str], feeds: Feeds) -> list[NDArray[Any]]:
        try:
            return self._session.run(outputs, {name: feeds[name] for name in self._names})  # type: ignore[no-any-return]
        except Exception as error:
            tokens = feeds["input_ids"].shape[1]
            most = self._longest(feeds)
            if 0 < most < tokens:
                raise ExportError(
                    f"{self.path} takes inputs of at most {most} tokens, and its config.json allows {tokens} or more: "
                    f"give --max-length {most}, or put the config.json that it was exported with beside it."
                ) from None
            raise ExportError(
                f"{self.path} does not run on its tokenizer's tokens ({one_line(error)}): put the tokenizer and the "
                "config.json that it was exported with beside it."
            ) from None

    def _longest(self, feeds: Feeds) -> int:
        """Of inputs of one token again and again, which every vocabulary has, the most tokens that run; 0 for none."""
        same = {name: np.ascontiguousarray(array[:1]) for name, array in feeds.items()}
        same["input_ids"] = np.zeros_like(same["input_ids"])

        def fails(tokens: int) -> bool:
            try:
                self._session.run(None, {name: same[name][:, :tokens] for name in self._names})
            except Exception:
                return True
            return False

        return bisect.bisect_left(range(1, same["input_ids"].shape[1] + 1), True, key=fails)


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
