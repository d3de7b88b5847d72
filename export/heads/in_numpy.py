"""Applies heads in numpy, so that the nodes which `in_onnx` appends to a graph are held against other code.

States are float32 `[batch, tokens, dim]` before pooling and `[batch, dim]` after it; the mask is int64
`[batch, tokens]`. Semantics and defaults are those of sentence-transformers' modules and of PyLate's Dense.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from engine.arrays import Floats

from .loaded import LoadedHead

Mask = NDArray[np.int64]


def apply(heads: Sequence[LoadedHead], states: Floats, mask: Mask) -> Floats:
    """The states after all heads, applied in order."""
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
    # Later tokens weigh more, as SGPT defines it (https://arxiv.org/abs/2202.08904, equation 1).
    "weightedmean": lambda states, mask: _mean(states, mask.cumsum(axis=1) * mask),
    "lasttoken": _last_token,
}

_ACTIVATIONS: dict[str, Callable[[Floats], NDArray[np.floating[Any]]]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": expit,
    "SiLU": lambda x: x * expit(x),
    "GELU": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    "LeakyReLU": lambda x: np.where(x < 0, x * 0.01, x),
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "SELU": lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(np.minimum(x, 0)), x),
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
}


def _dense(head: LoadedHead, states: Floats, mask: Mask) -> Floats:
    projected = states @ head.weights["linear.weight"].T + head.weights.get("linear.bias", np.float32(0))
    projected = _ACTIVATIONS[head.activation](projected).astype(np.float32)
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
