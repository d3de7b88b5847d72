"""Computes attention and rotary embeddings in towers: as operators of a provider's, or as PyTorch does.

ONNX Runtime's MultiHeadAttention takes no more memory than a block of scores, so that what a picture takes grows with
its patches and not with their square. Without a mask it is the fastest that a CPU has, too.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...graph import DOMAIN, MICROSOFT, FusedFor
from ..key_lengths import operator


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, provider: FusedFor | None, kept: Tensor | None = None
) -> Tensor:
    """Attention to all, or to the keys `kept`: `[pictures, tokens, heads * size]` to the query's shape.

    `kept` is as `kept_keys` gives it for the provider.
    """
    if provider is None:
        return _attend(query, key, value, heads, kept)
    scale = (query.shape[-1] // heads) ** -0.5
    if provider == "cpu" and kept is not None:
        attributes = {"heads": heads, "key_heads": heads, "scale": scale}
        return operator(f"{DOMAIN}::Attention", [query, key, value, kept], attributes, query.shape)
    inputs = [query, key, value] if kept is None else [query, key, value, None, kept]
    return _multi_head_attention(inputs, heads, scale)


def kept_keys(mask: Tensor, provider: FusedFor | None) -> Tensor:
    """A mask `[pictures, tokens]` of what is no padding, which is on the right, in the form that attention takes it in.

    A CPU takes how many keys each picture has, a GPU the offsets of its queries and keys, too: see
    `engine.artifact.artifact.Graph` on `key_lengths`.
    """
    if provider is None:
        return mask.bool()[:, None, None, :]
    lengths = mask.sum(1)
    if provider == "cpu":
        return lengths
    pictures, tokens = mask.shape
    places = torch.arange(pictures + 1) * tokens
    return torch.cat([lengths, places, places]).int()


def attend_in_windows(
    query: Tensor, key: Tensor, value: Tensor, windows: Tensor, heads: int, provider: FusedFor | None
) -> Tensor:
    """Attention within windows that follow each other: `[1, patches, heads * size]` to the same shape.

    `windows` `[patches]` numbers them from 0.
    """
    scale = (query.shape[-1] // heads) ** -0.5
    if provider == "cpu":
        attributes = {"heads": heads, "scale": scale}
        return operator(f"{DOMAIN}::WindowAttention", [query, key, value, windows], attributes, query.shape)
    together = windows[:, None] == windows
    if provider is None:
        return _attend(query, key, value, heads, together)
    bias = torch.where(together, 0.0, torch.finfo(query.dtype).min).to(query.dtype)[None, None]
    return _multi_head_attention([query, key, value, None, None, bias], heads, scale)


def _multi_head_attention(inputs: Sequence[Tensor | None], heads: int, scale: float) -> Tensor:
    query = inputs[0]
    assert query is not None
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
