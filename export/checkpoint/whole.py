"""Refuses weights that are not whole or not plain numbers, before anything reads them."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ExportError
from .reading import is_there, read_object
from .weights import damaged, names_in

# What transformers reads, each beside the file that lists where its parts are.
_WHOLE = ("model.safetensors", "pytorch_model.bin")
# The first byte of a pickle, and the newest protocol that its second may name.
_PICKLE, _PROTOCOL = 0x80, 5
_METHODS = "quant_method", "quantization_method", "quant_algo", "fmt"


def require_whole(files: Iterable[Path]) -> None:
    """Raise `ExportError` for a file of weights that is cut off, or that is none.

    What PyTorch has pickled is told by its beginning and its end alone, without PyTorch.
    """
    for path in files:
        if not is_there(path):
            raise ExportError(f"{path} is not there: fetch the whole checkpoint.")
        if path.suffix == ".safetensors":
            names_in(path)
        elif path.suffix == ".bin" and not _is_pickled(path):
            raise damaged(path, "it does not begin and end as PyTorch's files do")


def _is_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        first, second, *_ = *file.read(2), 0, 0
    return (first == _PICKLE and second <= _PROTOCOL) or zipfile.is_zipfile(path)


def require_parts(folder: Path, files: Iterable[Path]) -> None:
    """Raise `ExportError` where transformers would not find all of the weights that a folder has in several files."""
    names = {path.name for path in files}
    for whole in _WHOLE:
        if whole in names:
            return
        index = folder / f"{whole}.index.json"
        listed = read_object(index)
        if listed is not None:
            places = listed.get("weight_map")
            if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
                raise ExportError(f"{index} does not say which file each weight is in: fetch it again.")
            for place in sorted(set(places.values()) - names):
                raise ExportError(f"{index} names {place}, which is not there: fetch the whole checkpoint.")
            return
    raise ExportError(
        f"{folder} has the weights {', '.join(sorted(names))}, and transformers reads {' or '.join(_WHOLE)}, or parts "
        "that a file such as model.safetensors.index.json lists: rename the file, or fetch the list too."
    )


def require_plain(config: dict[str, Any], folder: Path) -> None:
    """Raise `ExportError` where the weights are quantised, as the configuration or a file beside it says."""
    for settings in (*_quantisations(config), *filter(None, [read_object(folder / "quantize_config.json")])):
        method = next((settings[name] for name in _METHODS if settings.get(name)), None)
        method = method or ("bitsandbytes" if any(name.startswith("load_in_") for name in settings) else "some method")
        raise ExportError(
            f"The checkpoint's weights are quantised with {method}, which ScoreRT does not read: export the checkpoint "
            "that they were quantised from, with --precision int8 if it must be small."
        )


def _quantisations(config: Any) -> Iterator[dict[str, Any]]:
    """Settings of quantisation, which those of a model's parts may have too; MLX has a name of its own for them."""
    if isinstance(config, dict):
        for name, value in config.items():
            if name in ("quantization_config", "quantization", "compression_config") and isinstance(value, dict):
                yield value
            else:
                yield from _quantisations(value)
