"""Attention as one operator a layer, in memory that grows linearly with the input.

Tracing records each layer's attention as one node, through transformers' AttentionInterface, so that no pattern has to
be found again afterwards. For a CPU `attention_functions` says what the node does; ONNX's own Attention, which does the
work in it, is faster there than the operators it stands for.

For a GPU it is ONNX Runtime's own operator: see `key_lengths`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from . import key_lengths
from .attention_functions import DOMAIN, FUNCTIONS, LOWEST
from .graph import Provider

_OPSET = 23  # The first with Attention.
# A reach beyond any input's.
_ENDLESS = 2**48


@contextmanager
def as_operators(model: PreTrainedModel, provider: Provider) -> Iterator[None]:
    """While it lasts, tracing `model` gives operators of the provider's for its attention.

    Models that do not attend through transformers' AttentionInterface, or that do more in it than these operators, are
    traced as they are.
    """
    body = getattr(model, "body", model)
    previous = body.config._attn_implementation
    if not _is_suited(body) or (provider == "cuda" and not _attends_to_all(body)):
        yield
        return
    attend, mask = (_attend, _penalty) if provider == "cpu" else (key_lengths.attend, key_lengths.mask)
    AttentionInterface.register(DOMAIN, attend)
    AttentionMaskInterface.register(DOMAIN, mask)
    body.set_attn_implementation(DOMAIN)
    try:
        yield
    finally:
        body.set_attn_implementation(previous)


def define(model: ir.Model) -> ir.Model:
    """Adds to the graph the functions of the operators that are in it, in place."""
    used = {node.op_type for node in model.graph if node.domain == DOMAIN}
    for function in FUNCTIONS:
        if function.name in used:
            defined = ir.serde.deserialize_function(function.to_function_proto())
            model.functions[defined.identifier()] = defined
    if used:
        model.graph.opset_imports.update({"": _OPSET, DOMAIN: 1})
    return model


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


def _penalty(attention_mask: Tensor, dtype: torch.dtype = torch.float32, **_: Any) -> Tensor:
    """[batch, tokens], True for the keys to attend to, as a penalty [batch, 1, 1, tokens] on their scores."""
    zero, lowest = torch.zeros((), dtype=dtype), torch.full((), LOWEST, dtype=dtype)
    return torch.where(attention_mask.bool(), zero, lowest)[:, None, None, :]


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Queries [batch, heads, tokens, size] and so on to [batch, tokens, heads, size], as transformers asks for it."""
    # transformers counts the token itself as part of its window.
    reach = None if sliding_window is None else sliding_window - 1
    scale = scaling or query.shape[-1] ** -0.5
    if getattr(module, "is_causal", False):
        return _attend_back(query, key, value, attention_mask, scale, reach), None
    return _attend_both_ways(query, key, value, attention_mask, scale, reach), None


def _attend_back(query: Tensor, key: Tensor, value: Tensor, penalty: Tensor, scale: float, reach: int | None) -> Tensor:
    window = {"reach": _ENDLESS if reach is None else reach}
    mask = _operator("CausalMask", [penalty], window, (penalty.shape[0], 1, penalty.shape[3], penalty.shape[3]))
    shape = (*query.shape[:3], value.shape[3])
    y = _operator("CausalAttention", [query, key, value, penalty, mask], {"scale": scale} | window, shape)
    return y.transpose(1, 2)


def _attend_both_ways(
    query: Tensor, key: Tensor, value: Tensor, penalty: Tensor, scale: float, reach: int | None
) -> Tensor:
    batch, heads, tokens, _ = query.shape
    window = {} if reach is None else {"reach": reach}
    kind = "Local" if window else ""
    mask = _operator(f"{kind}Mask", [penalty], window, (batch, 1, tokens, tokens))
    rows = [states.transpose(1, 2).reshape(batch, tokens, -1) for states in (query, key, value)]
    attributes = {"heads": heads, "key_heads": key.shape[1], "scale": scale}
    shape = (batch, tokens, heads * value.shape[-1])
    y = _operator(f"{kind}Attention", [*rows, penalty, mask], attributes | window, shape)
    return y.view(batch, tokens, heads, -1)


def _operator(name: str, inputs: list[Tensor], attributes: dict[str, Any], shape: Sequence[int]) -> Tensor:
    y: Tensor = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{name}", inputs, attributes, dtype=inputs[0].dtype, shape=shape, version=1
    )
    return y
