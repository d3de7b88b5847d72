"""Rotary embeddings of positions in time, height and width, in the form that exporters' fusions know."""

from typing import Any

import torch
from torch import Tensor, nn


class AxesRotary(nn.Module):
    """Does what a language model's own rotary embedding does for positions `[3, batch, tokens]`.

    Each frequency is one axis's. Which, transformers' `recomposition_frequencies` tells by what it makes of three
    frequencies that differ; it computes all three and then puts together what it keeps.
    """

    inv_freq: Tensor
    axes: Tensor

    def __init__(self, rotary: Any) -> None:
        super().__init__()
        frequencies = rotary.inv_freq.shape[0]
        told = torch.arange(3.0)[:, None, None, None].expand(3, 1, 1, frequencies).clone()
        axes = rotary.recomposition_frequencies(told)[0, 0, :frequencies].long()
        self.register_buffer("axes", axes, persistent=False)
        self.register_buffer("inv_freq", rotary.inv_freq, persistent=False)
        self._scaling = float(rotary.attention_scaling)

    def forward(self, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The cosine and sine `[batch, tokens, size]` of tokens' angles, each twice."""
        angles = positions.float().index_select(0, self.axes).permute(1, 2, 0) * self.inv_freq.float()
        angles = torch.cat([angles, angles], dim=-1)
        cos, sin = angles.cos(), angles.sin()
        if self._scaling != 1:
            cos, sin = cos * self._scaling, sin * self._scaling
        return cos.to(states.dtype), sin.to(states.dtype)
