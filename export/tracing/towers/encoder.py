"""Computes the parts that CLIP's, SigLIP's and SigLIP2's towers have in common, under the names they share."""

from typing import Any

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
    """SigLIP's, `[pictures, tokens, dim]` to `[pictures, dim]`: attention of one learned query, then a layer."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.heads = int(head.attention.num_heads)
        weights, biases = head.attention.in_proj_weight.chunk(3), head.attention.in_proj_bias.chunk(3)
        self.query = nn.Parameter(nn.functional.linear(head.probe, weights[0], biases[0]))
        self.key, self.value = (linear(weights[part], biases[part]) for part in (1, 2))
        self.output = head.attention.out_proj
        self.layernorm = head.layernorm
        self.mlp = head.mlp

    def forward(self, states: Tensor, provider: FusedFor | None, kept: Tensor | None = None) -> Tensor:
        query = self.query.expand(states.shape[0], -1, -1)
        pooled = self.output(attend(query, self.key(states), self.value(states), self.heads, provider, kept))
        pooled = pooled + self.mlp(self.layernorm(pooled))
        first: Tensor = pooled[:, 0]
        return first
