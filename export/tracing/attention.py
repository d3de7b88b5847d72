"""Traces attention as one operator a layer, in memory that grows linearly with the input.

Tracing records each layer's attention as one node, through transformers' AttentionInterface, so that no pattern has to
be found again afterwards. For a CPU `rewrites.attention_functions` defines the node; ONNX's own Attention, which does
the work in it, is faster there than the operators it stands for.

For a GPU it is ONNX Runtime's own operator: see `key_lengths`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from ..graph import DOMAIN, FusedFor
from ..recognition.families import max_positions
from ..rewrites.attention_functions import LOWEST
from . import key_lengths
from .key_lengths import operator

# A reach beyond any input's.
_ENDLESS = 2**48
# Models of at most 512 tokens never take their queries in blocks. The choice by length costs them some 1% of their time
# (docs/benchmarks/log.md, "With VNNI and bfloat16", on the number of keys and the choice by length), and blocks would
# save them little memory. That it is 512, what BERT's models are limited to, is a choice.
_SHORT = 512


@contextmanager
def as_operators(model: PreTrainedModel, provider: FusedFor) -> Iterator[None]:
    """While it lasts, tracing `model` gives the provider's operators for its attention.

    Models that do not attend through transformers' AttentionInterface, or that do more in it than these operators, are
    traced as they are.
    """
    body = getattr(model, "body", model)
    previous = body.config._attn_implementation
    if not _is_suited(body) or (provider == "cuda" and not _attends_to_all(body)):
        yield
        return
    kind = "Attention" if max_positions(body.config.to_dict()) > _SHORT else "ShortAttention"
    attend, mask = (partial(_attend, kind), _mask) if provider == "cpu" else (key_lengths.attend, key_lengths.mask)
    AttentionInterface.register(DOMAIN, attend)
    AttentionMaskInterface.register(DOMAIN, mask)
    body.set_attn_implementation(DOMAIN)
    try:
        yield
    finally:
        body.set_attn_implementation(previous)


def _is_suited(body: PreTrainedModel) -> bool:
    # A model that supports flash attention keeps to padding and windows, and hands its window to the interface.
    supports = [getattr(body, f"_supports_{name}", False) for name in ("attention_backend", "flash_attn")]
    directions = _directions(body)
    caps = getattr(body.config, "attn_logit_softcapping", None)
    sinks = any(name.endswith(".sinks") for name, _ in body.named_parameters())
    return all(supports) and len(directions) < 2 and not caps and not sinks


def _directions(body: PreTrainedModel) -> set[bool]:
    return {bool(module.is_causal) for module in body.modules() if hasattr(module, "is_causal")}


def _attends_to_all(body: PreTrainedModel) -> bool:
    """Whether every token attends to all others."""
    windows = "sliding_attention" in (getattr(body.config, "layer_types", None) or [])
    return not (any(_directions(body)) or windows or getattr(body.config, "sliding_window", None))


def _mask(attention_mask: Tensor, **_: Any) -> Tensor:
    """[batch, tokens], True for the keys to attend to, with padding at the end; each operator takes what it needs."""
    return attention_mask


def _penalty(attention_mask: Tensor) -> Tensor:
    """The mask as a penalty [batch, 1, 1, tokens] on keys' scores."""
    penalty = torch.where(attention_mask, torch.zeros(()), torch.full((), LOWEST))
    return penalty[:, None, None, :]


def _attend(
    kind: str,
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Queries [batch, heads, tokens, size] and so on to [batch, tokens, heads, size], as transformers asks for it.

    `kind` is the operator for attention to all tokens.
    """
    # transformers counts the token itself as part of its window.
    reach = None if sliding_window is None else sliding_window - 1
    scale = scaling or query.shape[-1] ** -0.5
    if getattr(module, "is_causal", False):
        return _attend_back(query, key, value, _penalty(attention_mask), scale, reach), None
    if reach is not None:
        return _attend_near(query, key, value, _penalty(attention_mask), scale, reach), None
    attributes = {"heads": query.shape[1], "key_heads": key.shape[1], "scale": scale}
    states = [_rows(query), _rows(key), _rows(value)]
    y = operator(f"{DOMAIN}::{kind}", [*states, attention_mask.sum(1)], attributes, states[0].shape)
    return _heads(y, query), None


def _attend_back(query: Tensor, key: Tensor, value: Tensor, penalty: Tensor, scale: float, reach: int | None) -> Tensor:
    window = {"reach": _ENDLESS if reach is None else reach}
    mask = operator(
        f"{DOMAIN}::CausalMask", [penalty], window, (penalty.shape[0], 1, penalty.shape[3], penalty.shape[3])
    )
    shape = (*query.shape[:3], value.shape[3])
    y = operator(f"{DOMAIN}::CausalAttention", [query, key, value, penalty, mask], {"scale": scale} | window, shape)
    return y.transpose(1, 2)


def _attend_near(query: Tensor, key: Tensor, value: Tensor, penalty: Tensor, scale: float, reach: int) -> Tensor:
    batch, heads, tokens, _ = query.shape
    mask = operator(f"{DOMAIN}::LocalMask", [penalty], {"reach": reach}, (batch, 1, tokens, tokens))
    attributes = {"heads": heads, "key_heads": key.shape[1], "scale": scale, "reach": reach}
    states = [_rows(query), _rows(key), _rows(value)]
    y = operator(f"{DOMAIN}::LocalAttention", [*states, penalty, mask], attributes, states[0].shape)
    return _heads(y, query)


def _rows(states: Tensor) -> Tensor:
    """[batch, heads, tokens, size] to [batch, tokens, heads * size]."""
    batch, _, tokens, _ = states.shape
    return states.transpose(1, 2).reshape(batch, tokens, -1)


def _heads(rows: Tensor, query: Tensor) -> Tensor:
    """[batch, tokens, heads * size] to [batch, tokens, heads, size], with the query's heads."""
    batch, tokens, _ = rows.shape
    return rows.view(batch, tokens, query.shape[1], -1)
