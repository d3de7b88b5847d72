"""Computes attention and rotary embeddings in towers: as operators of a provider's, or as PyTorch does.

ONNX Runtime's MultiHeadAttention takes no more memory than a block of scores, so that what a picture takes grows with
its patches and not with their square. Without a mask it is the fastest that a CPU has, too.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...graph import DOMAIN, MICROSOFT, FusedFor
from ..key_lengths import operator


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, provider: FusedFor | None) -> Tensor:
    """Attention to all: `[pictures, tokens, heads * size]` to the same shape as the query's."""
    if provider is None:
        return _attend(query, key, value, heads)
    return operator(
        f"{MICROSOFT}::MultiHeadAttention",
        [query, key, value],
        {"num_heads": heads, "scale": (query.shape[-1] // heads) ** -0.5},
        query.shape,
        query.dtype,
    )


def attend_in_windows(
    query: Tensor, key: Tensor, value: Tensor, windows: Tensor, largest: int, heads: int, provider: FusedFor | None
) -> Tensor:
    """Attention within windows that follow each other: `[1, patches, heads * size]` to the same shape.

    `windows` `[patches]` numbers them, none having more patches than `largest`.
    """
    scale = (query.shape[-1] // heads) ** -0.5
    if provider == "cpu":
        attributes = {"heads": heads, "scale": scale, "reach": largest - 1}
        return operator(f"{DOMAIN}::WindowAttention", [query, key, value, windows], attributes, query.shape)
    together = windows[:, None] == windows
    if provider is None:
        return _attend(query, key, value, heads, together)
    bias = torch.where(together, 0.0, torch.finfo(query.dtype).min).to(query.dtype)[None, None]
    inputs = [query, key, value, None, None, bias]
    attributes = {"num_heads": heads, "scale": scale}
    return operator(f"{MICROSOFT}::MultiHeadAttention", inputs, attributes, query.shape, query.dtype)


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    query, key, value = (states.unflatten(-1, (heads, -1)).transpose(1, 2) for states in (query, key, value))
    return scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)


def rotate(states: Tensor, cos: Tensor, sin: Tensor, heads: int, provider: FusedFor | None) -> Tensor:
    """States `[1, patches, heads * size]` turned by their patches' angles `[patches, size / 2]`, in float32."""
    if provider is not None:
        # The angles are those of positions, and the first patch has the first.
        inputs = [states, torch.zeros(1, dtype=torch.int64), cos.to(states.dtype), sin.to(states.dtype)]
        attributes = {"num_heads": heads}
        return operator(f"{MICROSOFT}::RotaryEmbedding", inputs, attributes, states.shape, states.dtype)
    first, second = states.float().unflatten(-1, (heads, 2, -1)).unbind(-2)
    cos, sin = cos[:, None], sin[:, None]
    turned = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-2)
    return turned.flatten(-3).to(states.dtype)
