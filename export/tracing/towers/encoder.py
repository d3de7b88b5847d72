"""Computes the parts that CLIP's, SigLIP's and SigLIP2's towers have in common, under the names they share."""

from typing import Any

import torch
from torch import Tensor, nn

from ...graph import FusedFor
from .layers import linear
from .operators import attend


class PatchEmbedding(nn.Module):
    """Cuts pictures into patches and embeds them, `[pictures, 3, height, width]` to `[pictures, patches, dim]`.

    A convolution whose stride is its kernel's size is a product of patches and its weights.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.patch = int(convolution.kernel_size[0])
        self.weight = nn.Parameter(convolution.weight.flatten(1))

    def forward(self, pixels: Tensor) -> Tensor:
        pictures, channels, height, width = pixels.shape
        rows, columns, side = height // self.patch, width // self.patch, self.patch
        # What is left at the right and at the bottom belongs to no patch.
        whole = pixels[:, :, : rows * side, : columns * side]
        blocks = whole.reshape(pictures, channels, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
        return nn.functional.linear(blocks.reshape(pictures, rows * columns, -1).to(self.weight.dtype), self.weight)


def encode(layers: Any, states: Tensor, provider: FusedFor | None, kept: Tensor | None = None) -> Tensor:
    """The states `[pictures, tokens, dim]` after all layers, which attend to all or to the keys `kept`."""
    for layer in layers:
        attention = layer.self_attn
        normed = layer.layer_norm1(states)
        query, key, value = attention.q_proj(normed), attention.k_proj(normed), attention.v_proj(normed)
        states = states + attention.out_proj(attend(query, key, value, attention.num_heads, provider, kept))
        states = states + layer.mlp(layer.layer_norm2(states))
    return states


class AttentionPooling(nn.Module):
    """SigLIP's, `[pictures, tokens, dim]` to `[pictures, dim]`: attention of one learned query, then a layer.

    That query is a constant q, so that tokens x need no products of their own: q(Kx + b)ᵀ is (qK)xᵀ and what all tokens
    have in common, which softmax does not see, and a weighted mean of Vx + c is Vm + c with m the mean of x.
    """

    def __init__(self, head: Any) -> None:
        super().__init__()
        attention = head.attention
        heads = int(attention.num_heads)
        weights = attention.in_proj_weight.detach().unflatten(0, (3, heads, -1))
        query_bias, _, value_bias = attention.in_proj_bias.detach().unflatten(0, (3, heads, -1))
        query = (weights[0] @ head.probe.detach().flatten() + query_bias) * weights.shape[2] ** -0.5
        self.scores = linear(torch.einsum("hs,hsd->hd", query, weights[1]))
        self.value = nn.Parameter(weights[2].transpose(1, 2))
        self.value_bias = nn.Parameter(value_bias)
        self.output = attention.out_proj
        self.layernorm = head.layernorm
        self.mlp = head.mlp

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """With a mask `[pictures, tokens]`, tokens where it is 0 count for nothing."""
        scores = self.scores(states).transpose(1, 2)
        if mask is not None:
            scores = scores.masked_fill(mask[:, None] == 0, torch.finfo(scores.dtype).min)
        means = scores.softmax(dim=-1) @ states
        values = (means[:, :, None] @ self.value)[:, :, 0] + self.value_bias
        pooled = self.output(values.flatten(1))
        after: Tensor = pooled + self.mlp(self.layernorm(pooled))
        return after
