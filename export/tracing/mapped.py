"""Keeps the weights of large models in files that are mapped into memory, so that no second copy of them takes any."""

import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

# Smaller ones are not worth the writing: a choice.
_LARGE = 1_000_000_000
_SMALL_TENSOR = 1 << 16


class Mapped:
    """A folder of weights, gone with the object. Where they are few they stay in memory.

    It lies where temporary files do: on a file system that is itself in memory nothing is saved.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scorert-", ignore_cleanup_errors=True)

    def network(self, network: nn.Module) -> None:
        """Have a network's parameters read from a file; changes to them stay in memory."""
        parameters = [*network.parameters()]
        if sum(parameter.nbytes for parameter in parameters) < _LARGE:
            return
        path = Path(self._folder.name) / "network"
        with path.open("wb") as file:
            for parameter in parameters:
                parameter.detach().contiguous().numpy().tofile(file)
        offset = 0
        for parameter in parameters:
            array = parameter.detach().numpy()
            there = np.memmap(path, array.dtype, "c", offset, array.shape)
            offset += array.nbytes
            parameter.data = torch.from_numpy(there)

    def graph(self, model: ir.Model) -> None:
        """Have a graph's weights read from a file."""
        tensors = (value.const_value for value in model.graph.initializers.values())
        if sum(tensor.nbytes for tensor in tensors if tensor is not None) >= _LARGE:
            ir.external_data.unload_from_model(model, self._folder.name, "graph", size_threshold_bytes=_SMALL_TENSOR)
