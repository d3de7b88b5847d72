"""The networks of published checkpoints, written out from their authors' code: weights in, states out.

Nothing here is transformers': `inputs` are `input_ids` and `attention_mask`, int64 `[batch, tokens]`.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from checkpoints.published.files import HEADS, LAYERS, WIDTH

SIZE = WIDTH // HEADS


def encoder(
    weights: dict[str, Tensor],
    embedded: Tensor,
    mask: Tensor,
    frequencies: Tensor,
    names: dict[str, str],
    mlp: Callable[[Tensor, str], Tensor],
    epsilon: float,
) -> Tensor:
    """Rotary attention and an MLP, each added and then normalised, as in all three families."""

    def linear(states: Tensor, name: str) -> Tensor:
        return functional.linear(states, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(states: Tensor, name: str) -> Tensor:
        return functional.layer_norm(
            states, states.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon
        )

    states = norm(embedded, names["embeddings"])
    for number in range(LAYERS):
        layer = names["layer"].format(number)
        q, k, v = (
            part.unflatten(-1, (HEADS, SIZE)).transpose(1, 2)
            for part in linear(states, layer + names["qkv"]).chunk(3, dim=-1)
        )
        scores = rotate(q, frequencies) @ rotate(k, frequencies).transpose(-1, -2) / SIZE**0.5
        scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
        attended = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        states = norm(states + linear(attended, layer + names["out"]), layer + names["first"])
        states = norm(states + mlp(states, layer), layer + names["second"])
    return states


def rotate(heads: Tensor, frequencies: Tensor) -> Tensor:
    """Turn the pairs (x[i], x[i + size/2]) as far as each position says."""
    angles = torch.arange(heads.shape[-2]).unsqueeze(1) * frequencies
    first, second = heads.chunk(2, dim=-1)
    return torch.cat(
        (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), dim=-1
    )


def rotary(theta: float) -> Tensor:
    return theta ** (-torch.arange(0, SIZE, 2) / SIZE)


def ntk(theta: float, factor: float) -> Tensor:
    """Equation 6 of https://kexue.fm/archives/9706, as the authors compute it."""
    return rotary(theta * factor) / factor ** (2 / SIZE)


def mgte(weights: dict[str, Tensor], inputs: dict[str, Tensor], frequencies: Tensor) -> Tensor:
    embedded = functional.embedding(inputs["input_ids"], weights["embeddings.word_embeddings.weight"])
    if "embeddings.token_type_embeddings.weight" in weights:
        embedded = embedded + weights["embeddings.token_type_embeddings.weight"][0]

    def gated(states: Tensor, layer: str) -> Tensor:
        up, gate = functional.linear(states, weights[f"{layer}mlp.up_gate_proj.weight"]).chunk(2, dim=-1)
        down = weights[f"{layer}mlp.down_proj.weight"], weights[f"{layer}mlp.down_proj.bias"]
        return functional.linear(functional.gelu(gate) * up, *down)

    names = {
        "embeddings": "embeddings.LayerNorm",
        "layer": "encoder.layer.{}.",
        "qkv": "attention.qkv_proj",
        "out": "attention.o_proj",
        "first": "attn_ln",
        "second": "mlp_ln",
    }
    return encoder(weights, embedded, inputs["attention_mask"], frequencies, names, gated, 1e-12)


def nomic_bert(weights: dict[str, Tensor], inputs: dict[str, Tensor]) -> Tensor:
    embedded = functional.embedding(inputs["input_ids"], weights["embeddings.word_embeddings.weight"])
    embedded = embedded + weights["embeddings.token_type_embeddings.weight"][0]

    def gated(states: Tensor, layer: str) -> Tensor:
        up, gate = (functional.linear(states, weights[f"{layer}mlp.{name}.weight"]) for name in ("fc11", "fc12"))
        return functional.linear(up * functional.silu(gate), weights[f"{layer}mlp.fc2.weight"])

    names = {
        "embeddings": "emb_ln",
        "layer": "encoder.layers.{}.",
        "qkv": "attn.Wqkv",
        "out": "attn.out_proj",
        "first": "norm1",
        "second": "norm2",
    }
    return encoder(weights, embedded, inputs["attention_mask"], rotary(1000.0), names, gated, 1e-12)


def xlm_roberta_flash(weights: dict[str, Tensor], inputs: dict[str, Tensor], theta: float) -> Tensor:
    weights = {name.removeprefix("roberta."): weight for name, weight in weights.items()}
    embedded = functional.embedding(inputs["input_ids"], weights["embeddings.word_embeddings.weight"])
    embedded = embedded + weights["embeddings.token_type_embeddings.weight"][0]

    def mlp(states: Tensor, layer: str) -> Tensor:
        one, two = (
            (weights[f"{layer}mlp.{name}.weight"], weights[f"{layer}mlp.{name}.bias"]) for name in ("fc1", "fc2")
        )
        return functional.linear(functional.gelu(functional.linear(states, *one)), *two)

    names = {
        "embeddings": "emb_ln",
        "layer": "encoder.layers.{}.",
        "qkv": "mixer.Wqkv",
        "out": "mixer.out_proj",
        "first": "norm1",
        "second": "norm2",
    }
    return encoder(weights, embedded, inputs["attention_mask"], rotary(theta), names, mlp, 1e-5)


def merged(weights: dict[str, Tensor], task: int, scale: float) -> dict[str, Tensor]:
    """The weights with one task's adapter added: W + BA for a linear layer, W + AB for an embedding."""
    stored = ".parametrizations.weight."
    plain = {name: weight for name, weight in weights.items() if stored not in name}
    for name in (name.removesuffix("original") for name in weights if name.endswith(f"{stored}original")):
        a, b = weights[f"{name}0.lora_A"][task], weights[f"{name}0.lora_B"][task]
        delta = a @ b if "_embeddings." in name else b @ a
        plain[name.replace(stored, ".weight")] = weights[f"{name}original"] + delta * scale
    return plain
