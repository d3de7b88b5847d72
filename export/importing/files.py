"""Finds the ONNX files of a model, as optimum-cli, Transformers.js and sentence-transformers lay them out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from engine.artifact.precisions import Precision

from ..checkpoint.files import Checkpoint, open_checkpoint
from ..checkpoint.finding import OTHER_FRAMEWORKS, WeightFiles
from ..errors import ExportError
from ..graph import max_batch
from ..precisions import EIGHT_BIT_FILES, FLOAT16_FILES, FLOAT32_FILES, PRECISIONS
from .published_graph import load_graph

_BEST = [FLOAT32_FILES, FLOAT16_FILES, EIGHT_BIT_FILES]
_FOUR_BITS = {ir.DataType.INT4, ir.DataType.UINT4, ir.DataType.FLOAT4E2M1}


def open_graphs(
    model: str,
    revision: str | None,
    overrides: dict[str, Any],
    trust_remote_code: bool,
    precisions: Sequence[Precision] | None,
) -> tuple[Checkpoint, dict[Precision, Path]]:
    """A folder or hub id with ONNX graphs, and its graph of each of `precisions`, or else the best it has.

    `Source.weights` of the checkpoint are the graphs' files. Raises `ExportError`.
    """
    choices = [PRECISIONS[precision].published for precision in precisions] if precisions else [_BEST]
    wanted = WeightFiles(
        description=f"{' or '.join(name for names in choices[0] for name in names)} in it or in its folder onnx",
        needs=[[_patterns(names) for names in need] for need in choices],
        # The weights of modules after the body, which have folders of their own.
        beside=["*/*.safetensors"],
        ignored=OTHER_FRAMEWORKS,
    )
    checkpoint = open_checkpoint(model, revision, overrides, trust_remote_code, wanted)
    files = [checkpoint.root / name for name in checkpoint.source.weights if name.endswith(".onnx")]
    found = {path: precision_of(path) for path in sorted(files, key=_preference)}
    if not precisions:
        path = next(iter(found))
        return checkpoint, {found[path]: path}
    for precision in precisions:
        if precision not in found.values():
            having = ", ".join(f"{path.name} ({kind})" for path, kind in found.items())
            raise ExportError(f"{model} has no {precision} graph, but {having}: ask for one of those with --precision.")
    return checkpoint, {
        precision: next(path for path, kind in found.items() if kind == precision) for precision in precisions
    }


def precision_of(path: Path) -> Precision:
    """The precision that a graph computes in, by its operators and tensors and not by its name.

    Dynamic quantisation has one scale a tensor, which makes "int8-fast"; other 8-bit weights are "int8". Raises
    `ExportError`.
    """
    model = load_graph(path)
    types = {value.const_value.dtype for value in model.graph.initializers.values() if value.const_value is not None}
    if types & _FOUR_BITS or _four_bit_products(model.graph.all_nodes()):
        raise ExportError(f"{path} has 4-bit weights, which no precision of ScoreRT stands for.")
    if max_batch(model) == 1:
        return "int8-fast"
    if types & {ir.DataType.INT8, ir.DataType.UINT8}:
        return "int8"
    return "fp16" if ir.DataType.FLOAT16 in types else "fp32"


def _four_bit_products(nodes: Iterable[ir.Node]) -> bool:
    return any(node.op_type == "MatMulNBits" and node.attributes.get_int("bits", 4) < 8 for node in nodes)


def _patterns(names: Sequence[str]) -> list[str]:
    """With the files beside a graph that hold its weights, `model.onnx_data` and so on."""
    return [f"{folder}{name}*" for folder in ("onnx/", "") for name in names]


def _preference(path: Path) -> tuple[bool, int]:
    names = [name for names in _BEST for name in names]
    place = next((i for i, name in enumerate(names) if path.match(name)), len(names))
    return path.parent.name != "onnx", place
