"""Compares a graph's own inputs and outputs with what the manifest says of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from ..artifact.artifact import Graph, Tensor
from ..errors import ArtifactError

_TYPES = {"float": "float32", "double": "float64"}


def check_interface(session: onnxruntime.InferenceSession, graph: Graph, path: Path) -> None:
    """Raises `ArtifactError` where a name, a type, a rank or a size of the open graph is another than the manifest's.

    `path` is the graph's file, for the sentence.
    """
    for what, own, told in (
        ("input", session.get_inputs(), graph.inputs),
        ("output", session.get_outputs(), graph.outputs),
    ):
        _check_names(what, [one.name for one in own], [one.name for one in told], path)
        by_name = {one.name: one for one in own}
        for tensor in told:
            _check_tensor(what, by_name[tensor.name], tensor, path)


def _check_names(what: str, own: Sequence[str], told: Sequence[str], path: Path) -> None:
    if sorted(own) != sorted(told):
        raise _differs(path, f"its {what}s are {', '.join(sorted(told))}", ", ".join(sorted(own)))


def _check_tensor(what: str, own: Any, told: Tensor, path: Path) -> None:
    kind = own.type.removeprefix("tensor(").removesuffix(")")
    kind = _TYPES.get(kind, kind)
    if kind != told.type:
        raise _differs(path, f"its {what} {told.name} is of {told.type}", kind)
    shape = [dim if isinstance(dim, int) else None for dim in own.shape]
    sizes = [dim if isinstance(dim, int) else None for dim in told.dims]
    fits = len(shape) == len(sizes) and all(a == b or a is None or b is None for a, b in zip(shape, sizes, strict=True))
    if not fits:
        raise _differs(path, f"its {what} {told.name} is {told.dims}", str(list(own.shape)))


def _differs(path: Path, told: str, own: str) -> ArtifactError:
    return ArtifactError(
        f"The manifest says of {path} that {told}, and the graph has {own}: copy the artifact again, or export it anew."
    )
