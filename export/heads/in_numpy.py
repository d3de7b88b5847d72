"""Heads in plain numpy: what the nodes appended to an imported graph are held against.

Semantics are those of `heads`: states float32 `[batch, tokens, dim]` before pooling and `[batch, dim]` after it, mask
int64 `[batch, tokens]`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from ..checkpoint.weights import Floats
from .loaded import LoadedHead

Mask = NDArray[np.int64]


def apply(heads: Sequence[LoadedHead], states: Floats, mask: Mask) -> Floats:
    """What the heads, one after the other, make of the states."""
    for head in heads:
        states = _KINDS[head.kind](head, states, mask).astype(np.float32)
    return states


def _pooling(head: LoadedHead, states: Floats, mask: Mask) -> Floats:
    return np.concatenate([_POOLING[mode](states, mask) for mode in head.modes], axis=-1)


def _mean(states: Floats, weights: Mask, power: float = 1.0) -> Floats:
    total = np.einsum("btd,bt->bd", states, weights.astype(np.float32))
    pooled: Floats = total / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9) ** power
    return pooled


def _last_token(states: Floats, mask: Mask) -> Floats:
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    pooled: Floats = states[np.arange(len(states)), last]
    return pooled


_POOLING: dict[str, Callable[[Floats, Mask], Floats]] = {
    "cls": lambda states, mask: states[:, 0],
    "max": lambda states, mask: np.where(mask[..., None] == 0, np.finfo(np.float32).min, states).max(axis=1),
    "mean": _mean,
    "mean_sqrt_len_tokens": lambda states, mask: _mean(states, mask, power=0.5),
    "weightedmean": lambda states, mask: _mean(states, mask.cumsum(axis=1) * mask),
    "lasttoken": _last_token,
}

_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": expit,
    "SiLU": lambda x: x * expit(x),
    "GELU": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
}


def _dense(head: LoadedHead, states: Floats, mask: Mask) -> Floats:
    projected = states @ head.weights["linear.weight"].T + head.weights.get("linear.bias", np.float32(0))
    projected = _ACTIVATIONS[head.activation](projected)
    if not head.config.get("use_residual"):
        return projected
    return projected + (states @ head.weights["residual.weight"].T if "residual.weight" in head.weights else states)


def _layer_norm(head: LoadedHead, states: Floats, mask: Mask) -> Floats:
    centred = states - states.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    normed: Floats = scaled * head.weights["norm.weight"] + head.weights["norm.bias"]
    return normed


def _normalize(head: LoadedHead, states: Floats, mask: Mask) -> Floats:
    normed: Floats = states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-12)
    return normed


_KINDS: dict[str, Callable[[LoadedHead, Floats, Mask], Floats]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
}
