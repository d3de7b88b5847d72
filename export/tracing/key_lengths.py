"""Traces attention for graphs that run on a GPU, where each sequence attends to all of its own tokens.

It is ONNX Runtime's MultiHeadAttention, told how many keys each sequence has. A bias on scores, which the exporter's
fusions would make of the mask, excludes its fast kernels at most lengths: in half precision they want rows of 16 bytes.
The lengths are inputs of the graph, because whoever pads sequences knows them, and a GPU would make them in a dozen
kernels (https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/contrib_ops/cuda/bert/multihead_attention.cc).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import repeat_kv

from ..graph import DOMAIN, MICROSOFT


def mask(attention_mask: Tensor, **_: Any) -> Tensor:
    """[batch, tokens], with padding at the end, to int32 [3 * batch + 2]; see `engine.artifact.artifact.Graph`."""
    return operator(f"{DOMAIN}::KeyLengths", [attention_mask], {}, (3 * attention_mask.shape[0] + 2,), torch.int32)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Queries [batch, heads, tokens, size] and so on to [batch, tokens, heads, size], as transformers asks for it."""
    batch, heads, tokens, size = query.shape
    groups = heads // key.shape[1]
    states = (query, repeat_kv(key, groups), repeat_kv(value, groups))
    rows = [part.transpose(1, 2).reshape(batch, tokens, -1) for part in states]
    attributes = {"num_heads": heads, "scale": scaling or size**-0.5}
    shape = (batch, tokens, heads * value.shape[-1])
    y = operator(f"{MICROSOFT}::MultiHeadAttention", [*rows, None, attention_mask], attributes, shape, query.dtype)
    return y.view(batch, tokens, heads, -1), None


def operator(
    name: str,
    inputs: Sequence[Tensor | None],
    attributes: dict[str, Any],
    shape: Sequence[Any],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A stand-in for an operator `domain::type` of one output in a trace."""
    y: Tensor = torch.onnx.ops.symbolic(name, inputs, attributes, dtype=dtype, shape=shape, version=1)
    return y
