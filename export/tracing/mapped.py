"""Keeps weights in files that are mapped into memory, so that no second copy of them takes any."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from engine.staging import writing_scratch

_SMALL_TENSOR = 1 << 16


class Mapped:
    """Files of weights in a folder, which whoever gives it removes. Without one weights stay where they are.

    In a file system that is itself in memory nothing is saved.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def network(self, network: nn.Module) -> None:
        """Have a network's parameters read from a file; changes to them stay in memory."""
        if self._folder is None:
            return
        parameters = [*network.parameters()]
        path = self._folder / "mapped.network"
        with writing_scratch(), path.open("wb") as file:
            for parameter in parameters:
                # Not by numpy, whose error does not say what the system said.
                file.write(parameter.detach().contiguous().numpy().data)
        offset = 0
        for parameter in parameters:
            array = parameter.detach().numpy()
            there = np.memmap(path, array.dtype, "c", offset, array.shape)
            offset += array.nbytes
            parameter.data = torch.from_numpy(there)

    def graph(self, model: ir.Model, name: str) -> None:
        """Have a graph's weights read from a file of that name."""
        if self._folder is not None:
            file = f"mapped.{name}"
            with writing_scratch():
                ir.external_data.unload_from_model(model, self._folder, file, size_threshold_bytes=_SMALL_TENSOR)


IN_MEMORY = Mapped()
"""Leaves all weights in memory."""
