"""Reads single tensors of a checkpoint without loading the rest of it, and without PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Imported for what it does to numpy: it then knows bfloat16, which safetensors asks it for.
import ml_dtypes  # noqa: F401
import numpy as np
from safetensors import safe_open

from engine.arrays import Floats

from ..errors import ExportError

Weights = Mapping[str, Floats]


def read_tensors(location: Path, wanted: Callable[[str], bool] = lambda name: True) -> Weights:
    """The tensors whose names are `wanted`, or all, in a folder's weights or in one file.

    They are float32 whatever the file's type. Raises `ExportError` for PyTorch's own format where there is no PyTorch.
    """
    weights: dict[str, Floats] = {}
    for path in _files(location):
        if path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                for name in file.keys():  # noqa: SIM118 - not a dict
                    if wanted(name):
                        weights[name] = file.get_tensor(name).astype(np.float32)
        else:
            for name, tensor in _unpickled(path).items():
                if wanted(name):
                    weights[name] = tensor.float().numpy()
    return weights


def read_rows(location: Path, names: Sequence[str], rows: Sequence[int]) -> Floats | None:
    """Those rows, float32 `[rows, dim]`, of the first tensor of `names` there is, or None. Raises as `read_tensors`."""
    for name in names:
        for path in _files(location):
            if path.suffix == ".safetensors":
                with safe_open(path, framework="np") as file:
                    if name in file.keys():  # noqa: SIM118 - not a dict
                        matrix = file.get_slice(name)
                        return np.concatenate([matrix[row : row + 1] for row in rows]).astype(np.float32)
            elif name in (loaded := _unpickled(path)):
                return np.stack([loaded[name][row].float().numpy() for row in rows])
    return None


def _files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    return sorted(location.glob("*.safetensors")) or sorted(location.glob("*.bin"))


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ModuleNotFoundError:
        raise ExportError(
            f"{path} can only be read with PyTorch: save its tensors as safetensors, or install scorert[export]."
        ) from None
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return loaded
