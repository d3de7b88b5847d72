"""Reads a recipe's heads with their weights, for `in_onnx` and `in_numpy` to run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from engine.arrays import Floats

from ..checkpoint.files import Checkpoint
from ..checkpoint.published import as_transformers
from ..checkpoint.reading import is_there
from ..checkpoint.weights import Weights, no_numbers, read_rows, read_tensors
from ..errors import ExportError, explained
from ..recipe import Head, Recipe
from ..recognition.module_list import pooling_modes

# Where a language model keeps the rows of its output vocabulary; tied ones are those of the input.
_OUTPUT_ROWS = "lm_head.weight"
_INPUT_ROWS = ("model.embed_tokens.weight", "embed_tokens.weight", "model.language_model.embed_tokens.weight")
# Where a module's own weights are, in the order in which sentence-transformers looks for them.
_FILES = ("model.safetensors", "pytorch_model.bin")
_NEEDED = {"Dense": ("linear.weight",), "LayerNorm": ("norm.weight", "norm.bias")}

ACTIVATIONS = (
    "Identity",
    "Tanh",
    "ReLU",
    "Sigmoid",
    "SiLU",
    "GELU",
    "LeakyReLU",
    "ELU",
    "SELU",
    "Softplus",
    "Softsign",
    "Hardswish",
    "Hardsigmoid",
    "ReLU6",
    "Mish",
)
"""The activations that a Dense layer may have: classes of `torch.nn`, which checkpoints name without parameters."""


@dataclass(frozen=True)
class LoadedHead:
    """A head to run: Pooling, Dense, LayerNorm or Normalize.

    `weights` are float32 under the names sentence-transformers' modules have for them, `linear.weight` `[out, in]`.
    """

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)

    @property
    def modes(self) -> tuple[str, ...]:
        """A Pooling head's, in the order of concatenation."""
        return pooling_modes(self.config)

    @property
    def activation(self) -> str:
        """A Dense head's, one of `ACTIVATIONS`. Raises `ExportError` for another."""
        name = str(self.config.get("activation_function", "torch.nn.modules.linear.Identity"))
        activation = name.rsplit(".", 1)[-1]
        if not name.startswith("torch.nn.") or activation not in ACTIVATIONS:
            raise ExportError(
                f"The Dense module's activation '{name}' is not one ScoreRT has: torch.nn's {', '.join(ACTIVATIONS)}."
            )
        return activation


def load_heads(
    checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, width: int | None = None
) -> list[LoadedHead]:
    """The recipe's heads in order, which a body's states of that width go through, where it is known.

    Raises `ExportError` where the checkpoint lacks the weights of one, or where they do not fit each other.
    """
    with explained("The settings or weights of what comes after the checkpoint's body do not fit ({}): correct them."):
        loaded = [_load(head, checkpoint, tokenizer) for head in recipe.heads]
    for head, own in zip(recipe.heads, loaded, strict=True):
        for name, tensor in own.weights.items():
            if not np.isfinite(tensor).all():
                raise no_numbers(f"{head.tensors.get(name, name)} of {head.weights.name}")
        width = _width_after(own, width, head.weights)
    return loaded


def pooling(heads: Sequence[LoadedHead]) -> str | None:
    """The pooling modes, joined by "+", or None."""
    return "+".join(mode for head in heads if head.kind == "Pooling" for mode in head.modes) or None


def projections(heads: Sequence[LoadedHead]) -> list[int]:
    """The output width of each Dense layer, in order."""
    return [head.weights["linear.weight"].shape[0] for head in heads if head.kind == "Dense"]


def normalized(heads: Sequence[LoadedHead]) -> bool:
    """Whether the embeddings have length 1, which a projection after that would change."""
    return bool(heads) and heads[-1].kind == "Normalize"


def _load(head: Head, checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerBase) -> LoadedHead:
    if head.kind == "TokenRows":
        rows = _token_rows(head, checkpoint, tokenizer)
        return LoadedHead("Dense", weights={"linear.weight": rows * head.config["scale"]})
    return load_head(head)


def _width_after(head: LoadedHead, width: int | None, place: Path) -> int | None:
    """The width of states after a head. Raises `ExportError` where those before it are not of the width it takes."""
    if head.kind == "Pooling":
        return None if width is None else width * len(head.modes)
    name = "norm.weight" if head.kind == "LayerNorm" else "linear.weight"
    if name not in head.weights:
        return width
    shape = head.weights[name].shape
    if len(shape) != (1 if head.kind == "LayerNorm" else 2) or shape[-1] != (width or shape[-1]):
        raise ExportError(
            f"{place} has a {head.kind} module whose {name} is {list(shape)}, and the states before it have the width "
            f"{width}: give the modules in the order that they were trained in, each with its own weights."
        )
    return int(shape[0])


def load_head(head: Head) -> LoadedHead:
    """A head that has weights of its own, or none. Raises `ExportError` where they are not those that it needs."""
    if head.kind not in _NEEDED:
        return LoadedHead(head.kind, head.config)
    weights = _head_weights(head)
    for name in _NEEDED[head.kind]:
        if name not in weights:
            raise ExportError(
                f"{head.weights} has no weights named '{head.tensors.get(name, name)}' for its {head.kind} module, as "
                f"{'config.json' if head.tensors else 'modules.json'} names it: give the whole checkpoint."
            )
    if not head.tensors:
        _require_said(head, weights)
    if "positive" in head.config:
        rows, labels = len(weights["linear.weight"]), 1 if head.config["positive"] is None else 2
        if rows != labels:
            raise ExportError(
                f"{head.tensors['linear.weight']} has {rows} row{'s' * (rows > 1)}, and config.json {labels} "
                f"label{'s' * (labels > 1)} (id2label, num_labels): name as many as it has by --hf-overrides."
            )
    # A classifier's 1 / temperature multiplies what is there before the activation, and a shift is added to that.
    scale = head.config.get("scale", 1.0)
    scaled = {name: tensor * scale if name.startswith("linear.") else tensor for name, tensor in weights.items()}
    if head.config.get("positive") is not None:
        positive = head.config["positive"]
        scaled = {name: tensor[[positive]] - tensor[[1 - positive]] for name, tensor in scaled.items()}
    if "rows" in head.config:
        scaled = {name: tensor[: head.config["rows"]] for name, tensor in scaled.items()}
    if "shift" in head.config:
        scaled["linear.bias"] = scaled["linear.bias"] + np.float32(head.config["shift"])
    loaded = LoadedHead(head.kind, head.config, scaled)
    if loaded.kind == "Dense":
        # Read here for its refusal, which comes before any work is done.
        _ = loaded.activation
    return loaded


def _require_said(head: Head, weights: Weights) -> None:
    """Raise `ExportError` unless a module's weights are those that its settings say, as sentence-transformers does."""
    said: dict[str, tuple[Any, ...]]
    inner, outer = (head.config.get(name) for name in ("in_features", "out_features"))
    if head.kind == "LayerNorm":
        said = dict.fromkeys(_NEEDED["LayerNorm"], (head.config.get("dimension"),))
    else:
        said = {"linear.weight": (outer, inner)}
        if head.config.get("bias", True):
            said["linear.bias"] = (outer,)
        if head.config.get("use_residual") and inner != outer:
            said["residual.weight"] = (outer, inner)
    for name in sorted(said.keys() | weights.keys()):
        wanted = f"of the shape {list(said[name])}" if name in said else "not there"
        got = f"of the shape {list(weights[name].shape)}" if name in weights else "not there"
        if wanted != got:
            raise ExportError(
                f"The {head.kind} module in {head.weights.name} should have {name} {wanted}, as its config.json says, "
                f"and it is {got}: correct the one, or fetch the other again."
            )


def _head_weights(head: Head) -> Weights:
    if not head.tensors:
        files = (head.weights / name for name in _FILES)
        return read_tensors(next((file for file in files if is_there(file)), head.weights))
    found = read_tensors(head.weights, set(head.tensors.values()).__contains__)
    return {own: found[name] for own, name in head.tensors.items() if name in found}


def _token_rows(head: Head, checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerBase) -> Floats:
    """float32 `[1, dim]`: the output row of the one token, or of the second less that of the first."""
    config = as_transformers(checkpoint.native)
    tied = config.tie_word_embeddings or config.get_text_config().tie_word_embeddings
    ids = [_token_id(token, tokenizer) for token in head.config["tokens"]]
    shared = read_rows(head.weights, _INPUT_ROWS, ids) if tied else None
    own = read_rows(head.weights, [_OUTPUT_ROWS], ids)
    rows = own if shared is None else shared
    if rows is None:
        says = "" if tied else ", and its config.json has no tie_word_embeddings true"
        raise ExportError(
            f"{head.weights} has no weights named {_OUTPUT_ROWS} to make the classifier of{says}: fetch the whole "
            "checkpoint, or say --hf-overrides '{\"tie_word_embeddings\": true}' where it shares those of the input."
        )
    if shared is not None and own is not None and not np.array_equal(shared, own):
        raise ExportError(
            f"{head.weights} has an {_OUTPUT_ROWS} that is not that of the input, though config.json says so "
            "(tie_word_embeddings): say --hf-overrides '{\"tie_word_embeddings\": false}' where it counts."
        )
    return rows if len(ids) == 1 else rows[1:] - rows[:1]


def _token_id(token: str | int, tokenizer: PreTrainedTokenizerBase) -> int:
    if isinstance(token, int):
        return token
    found = tokenizer.convert_tokens_to_ids(token)
    if found is None or found == tokenizer.unk_token_id:
        raise ExportError(f"The tokenizer has no token '{token}', which the classifier is to be made of.")
    assert isinstance(found, int)
    return found
