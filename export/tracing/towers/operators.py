"""Computes attention in towers: as one operator of ONNX Runtime's, or as PyTorch does.

ONNX Runtime's MultiHeadAttention takes as much memory as a block of scores on a CPU, and less on a GPU, so that a
picture's memory grows linearly with its patches. Of those that a CPU has it is the fastest without a mask.
"""

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...graph import MICROSOFT
from ..key_lengths import operator


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, fused: bool) -> Tensor:
    """Attention to all: `[pictures, tokens, heads * size]` to the same shape as the query's."""
    size = query.shape[-1] // heads
    if fused:
        attributes = {"num_heads": heads, "scale": size**-0.5}
        inputs = [query, key, value]
        return operator(f"{MICROSOFT}::MultiHeadAttention", inputs, attributes, query.shape, query.dtype)
    query, key, value = (states.unflatten(-1, (heads, size)).transpose(1, 2) for states in (query, key, value))
    return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
