"""Describes and saves graphs: what is the same for all of an artifact, traced or imported.

Padding is on the right in every input of every graph. It is a contract of artifacts: token 0 is a sequence's first
(`rewrites.first_token`), a length tells which keys to attend to (`rewrites.key_lengths` and `attention_functions`), and
the engine takes a sequence's rows from the left.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from engine.artifact.artifact import PAST, PRESENT, Tensor
from engine.runtime.feeds import FEEDS

FusedFor = Literal["cpu", "cuda"]
"""The provider that a graph is fused for. TensorRT's own graphs are not fused."""

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

DOMAIN = "scorert"
"""The domain of ScoreRT's operators, which a graph defines as functions: `rewrites.attention_functions`."""

DIMS = {name: feed.dims for name, feed in FEEDS.items()}
"""The dimensions of a text graph's inputs, but for the past."""

MULTIPLE = 8
"""The tokens that runs of some graphs are padded to a multiple of: see `multiple`."""

_PAST_AXIS = 3

# ONNX files hold at most 2 GiB; larger weights go to a file beside the graph.
_INLINE_BYTES = 1_900_000_000


def save(model: ir.Model, path: Path) -> None:
    """Write the graph, its weights in `<path>.data` if they are too large for one file."""
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)
    if weights <= _INLINE_BYTES:
        _take_in(model)
    ir.save(model, path, external_data=f"{path.name}.data" if weights > _INLINE_BYTES else None)


def _take_in(model: ir.Model) -> None:
    """Have weights of another file written with the graph; mapped as they are, they need no memory till then."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor):
                value.const_value = ir.Tensor(tensor.numpy(), tensor.dtype, shape=tensor.shape, name=tensor.name)


def multiple(model: ir.Model) -> int:
    """The number that a run's tokens should be a multiple of.

    With a bias on attention scores, ONNX Runtime's fast kernels for a GPU want rows of 16 bytes, and fail on a past
    that does not end at one.
    """
    biased = (node for node in model.graph if node.op_type == "MultiHeadAttention" and len(node.inputs) > 5)
    is_half = any(node.inputs[5] is not None and node.inputs[5].dtype == ir.DataType.FLOAT16 for node in biased)
    return MULTIPLE if is_half else 1


def max_batch(model: ir.Model) -> int | None:
    """1 where activations are quantised over a whole run, so that its other sequences would change an output."""
    return 1 if any(node.op_type.startswith("DynamicQuantize") for node in model.graph.all_nodes()) else None


def interface(model: ir.Model) -> tuple[list[Tensor], list[Tensor]]:
    """The graph's inputs and outputs, as a manifest lists them."""
    return [spec(value) for value in model.graph.inputs], [spec(value) for value in model.graph.outputs]


def spec(value: ir.Value) -> Tensor:
    """An input or output of a graph, as a manifest lists it."""
    assert value.name is not None
    assert value.dtype is not None
    assert value.shape is not None
    dims = [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
    return Tensor(name=value.name, type=value.dtype.numpy().name, dims=dims)


def name_axes(model: ir.Model, dims: Mapping[str, Sequence[int | str]] = DIMS) -> None:
    """Call the symbolic dimensions of inputs and outputs what they are, where an exporter called them otherwise.

    `dims` are those of inputs by name: a text graph's, or a vision graph's.
    """
    names: dict[str, str] = {}
    for value in model.graph.inputs:
        assert value.shape is not None
        if value.name == PAST:
            names[str(value.shape[_PAST_AXIS])] = "past_tokens"
            continue
        for symbol, name in zip(value.shape, dims[str(value.name)], strict=True):
            names[str(symbol)] = str(name)
    for value in (*model.graph.inputs, *model.graph.outputs):
        assert value.shape is not None
        if value.name == PRESENT:
            names[str(value.shape[_PAST_AXIS])] = "all_tokens"
        value.shape = ir.Shape([_named(dim, names) for dim in value.shape])


def _named(dim: int | ir.SymbolicDim, names: dict[str, str]) -> int | str:
    # A size found to be fixed is a symbol too, called by its number; a fixed one may be traced as varying.
    symbol = str(dim)
    name = symbol if symbol.isdigit() else names.get(symbol, symbol)
    return int(name) if name.isdigit() else name
