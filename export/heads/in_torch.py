"""What comes after the transformer's body, as torch modules that are traced into the graph.

A head takes `(states, mask)`: states float32 `[batch, tokens, dim]` before pooling and `[batch, dim]` after it, mask
int64 `[batch, tokens]`. Semantics and defaults are those of sentence-transformers' modules and of PyLate's Dense.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ExportError

Weights = Mapping[str, Tensor]


def _cls(states: Tensor, mask: Tensor) -> Tensor:
    return states[:, 0]


def _max(states: Tensor, mask: Tensor) -> Tensor:
    lowest = torch.finfo(states.dtype).min
    return states.masked_fill(mask.unsqueeze(-1) == 0, lowest).amax(dim=1)


def _sum(states: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    return (states * weights.unsqueeze(-1)).sum(dim=1), weights.sum(dim=1, keepdim=True).clamp(min=1e-9)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    total, count = _sum(states, mask.to(states.dtype))
    return total / count


def _mean_sqrt_len(states: Tensor, mask: Tensor) -> Tensor:
    total, count = _sum(states, mask.to(states.dtype))
    return total / count.sqrt()


def _weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    # Later tokens weigh more, as SGPT defines it (https://arxiv.org/abs/2202.08904, equation 1).
    positions = mask.cumsum(dim=1)
    total, count = _sum(states, (positions * mask).to(states.dtype))
    return total / count


def _last_token(states: Tensor, mask: Tensor) -> Tensor:
    # The last that is attended to, on whichever side the padding is.
    positions = torch.arange(mask.shape[1], device=mask.device)
    last = (mask * positions).argmax(dim=1, keepdim=True)
    return states.gather(1, last.unsqueeze(-1).expand(-1, 1, states.shape[-1])).squeeze(1)


POOLING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}


class Pooling(nn.Module):
    """`[batch, tokens, dim]` to `[batch, modes * dim]`: each mode's vector, concatenated."""

    def __init__(self, modes: tuple[str, ...]) -> None:
        super().__init__()
        self.modes = modes

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([POOLING[mode](states, mask) for mode in self.modes], dim=-1)


class Dense(nn.Module):
    """A linear layer and its activation, plus its input (projected where the widths differ) if it is residual."""

    def __init__(self, config: dict[str, Any], weights: Weights) -> None:
        super().__init__()
        self.linear = _linear(weights["linear.weight"], weights.get("linear.bias"))
        self.activation = _activation(config.get("activation_function", "torch.nn.modules.linear.Identity"))
        self.residual: nn.Module | None = None
        if config.get("use_residual"):
            self.residual = _linear(weights["residual.weight"], None) if "residual.weight" in weights else nn.Identity()

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        projected: Tensor = self.activation(self.linear(states))
        return projected if self.residual is None else projected + self.residual(states)


class LayerNorm(nn.Module):
    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(weights["norm.weight"].shape[0])
        self.norm.load_state_dict({"weight": weights["norm.weight"].float(), "bias": weights["norm.bias"].float()})

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        normalized: Tensor = self.norm(states)
        return normalized


class Normalize(nn.Module):
    """L2 normalisation of the last dimension, as `torch.nn.functional.normalize`."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.normalize(states, p=2.0, dim=-1)


def _linear(matrix: Tensor, bias: Tensor | None) -> nn.Linear:
    linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
    state = {"weight": matrix.float()}
    linear.load_state_dict(state if bias is None else state | {"bias": bias.float()})
    return linear


def _activation(name: str) -> nn.Module:
    # Only torch's own modules: a checkpoint must not name arbitrary code to import.
    kind = getattr(nn, name.rsplit(".", 1)[-1], None) if name.startswith("torch.nn.") else None
    if kind is None:
        raise ExportError(f"The Dense module's activation '{name}' is not one of torch.nn's, so it is not run.")
    module: nn.Module = kind()
    return module
