"""Reads tensors of a checkpoint's files without loading the rest of them, and without PyTorch."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Imported for what it does to numpy: it then knows bfloat16, which safetensors asks it for.
import ml_dtypes  # noqa: F401
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from engine.arrays import Floats
from engine.extras import install

from ..errors import ExportError, one_line
from .reading import is_there

Weights = Mapping[str, Floats]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a file has it: `values` are of the file's type, or float32 where PyTorch has pickled it."""

    name: str
    values: NDArray[Any]

    def float32(self) -> Floats:
        """The values, whatever the file's type."""
        return self.values.astype(np.float32)


def read_tensors(location: Path, wanted: Callable[[str], bool] = lambda name: True) -> Weights:
    """The tensors whose names are `wanted`, or all, in a folder's weights or in one file.

    They are float32 whatever the file's type. Raises `ExportError` for a damaged file, and for PyTorch's own format
    where there is no PyTorch.
    """
    stored = (tensor for path in _files(location) for tensor in stored_tensors(path, wanted))
    return {tensor.name: tensor.float32() for tensor in stored}


def stored_tensors(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[StoredTensor]:
    """One file's, one after the other. Raises as `read_tensors`."""
    if path.suffix == ".safetensors":
        with _opened(path) as file:
            for name in filter(wanted, file.keys()):
                yield StoredTensor(name, file.get_tensor(name))
    else:
        for name, tensor in _unpickled(path).items():
            if wanted(name):
                yield StoredTensor(name, tensor.float().numpy())


def names_in(path: Path) -> list[str]:
    """The names of a file's tensors. Raises as `read_tensors`."""
    if path.suffix != ".safetensors":
        return [*_unpickled(path)]
    with _opened(path) as file:
        return [*file.keys()]


def count(path: Path) -> int:
    """How many numbers the tensors of a safetensors file have, as its head says. Raises as `read_tensors`."""
    with _opened(path) as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - not a dict


def read_rows(location: Path, names: Sequence[str], rows: Sequence[int]) -> Floats | None:
    """Those rows, float32 `[rows, dim]`, of the first tensor of `names` there is, or None. Raises as `read_tensors`."""
    for name in names:
        for path in _files(location):
            if path.suffix == ".safetensors":
                with _opened(path) as file:
                    if name in file.keys():  # noqa: SIM118 - not a dict
                        matrix = file.get_slice(name)
                        return np.concatenate([matrix[row : row + 1] for row in rows]).astype(np.float32)
            elif name in (loaded := _unpickled(path)):
                return np.stack([loaded[name][row].float().numpy() for row in rows])
    return None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    is_there(path)
    try:
        file = safe_open(path, framework="np")
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from None
    with file as opened:
        yield opened


def _files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    return sorted(location.glob("*.safetensors")) or sorted(location.glob("pytorch_model*.bin"))


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ModuleNotFoundError:
        raise ExportError(
            f"{path} can only be read with PyTorch: save its tensors as safetensors, or run `{install('export')}`."
        ) from None
    is_there(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    # Where a pickle is damaged decides what is raised.
    except Exception as error:
        raise damaged(path, error) from None
    if not isinstance(loaded, dict):
        raise ExportError(f"{path} has something else than weights: put the checkpoint's own in its place.")
    return {name: tensor for name, tensor in loaded.items() if isinstance(tensor, torch.Tensor)}


def no_numbers(name: str) -> ExportError:
    """What to say of a weight that has what no training leaves, and that makes every score one of those."""
    return ExportError(
        f"The checkpoint's weight {name} has values that are no numbers (NaN or infinite): fetch its file again, or "
        "save it anew from where it was trained."
    )


def damaged(path: Path, error: Exception | str) -> ExportError:
    """What to say of weights that cannot be read."""
    reason = error if isinstance(error, str) else one_line(error)
    return ExportError(f"{path} is damaged or cut off ({reason}): fetch it again.")
