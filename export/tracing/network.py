"""Loads the PyTorch network of a recipe, the checkpoint's body without its heads, as a module to trace."""

import re
from dataclasses import dataclass
from inspect import signature
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    DynamicCache,
    PreTrainedModel,
)

from engine.artifact.artifact import PRESENT
from engine.score_types import CROSS_ENCODER

from ..checkpoint.files import Checkpoint
from ..errors import ExportError, explained
from ..recipe import Recipe
from .loading import LOADING, NOT_LOADED, load_body, misshapen, require_numbers, use_own_cores

# Weights that no score depends on: buffers, other tasks' heads, and a pooler that only a classifier reads.
_NOT_NEEDED = re.compile(
    r"(^|\.)(position_ids|inv_freq|original_inv_freq|pooler\..*)$|"
    r"^(cls\.(predictions|seq_relationship)|lm_head|head\.(dense|norm)|decoder)\."
)
# What a body was trained with: heads of masked words and of answers.
_NOT_NEEDED_BY_A_BODY = re.compile(
    _NOT_NEEDED.pattern + r"|^(vocab_(transform|layer_norm|projector)|qa_outputs|"
    r"(lm|mask|generator|discriminator)_(predictions|head)|predictions)\."
)
# Heads of classes and of rewards. An embedder was trained with one, or a reranker is called by the name of its body.
_CLASSIFIES = re.compile(r"^(pre_classifier|classifier|score)\.")

# What transformers' classes with a classifier have after their body, by the beginnings of names.
_OF_A_HEAD = re.compile(r"(classifier|head|score|pre_classifier|pooler|\w+\.pooler)\.")

STATES = "last_hidden_state"
"""The output of a body, which the heads that are appended to its graph read."""


class Network(PreTrainedModel):
    """A body: token ids in, its last hidden states out, `STATES`, float32 `[batch, tokens, dim]`.

    A body that `classifies` is transformers' class with its classifier, and returns float32 `logits` `[batch]` instead.

    A causal body may be given `past`, and then there is a second output, `present`, both in the body's own precision:
    see `engine.artifact.artifact.Graph`.
    """

    # The body has settled how it attends; this keeps PreTrainedModel from settling it again.
    _supports_sdpa = True

    def __init__(self, body: PreTrainedModel, classifies: bool = False, positive: int | None = None) -> None:
        """`positive` is the relevant one of two labels, where the body has them."""
        super().__init__(body.config)
        self.positive = positive
        self.body = body
        self.classifies = classifies

    def reads(self, name: str) -> bool:
        """Whether the body takes an input of that name."""
        return name in signature(type(self.body).forward).parameters

    @property
    def is_causal(self) -> bool:
        """Whether no token's states depend on later ones, and all that later ones need of it are keys and values."""
        flags = [bool(module.is_causal) for module in self.body.modules() if hasattr(module, "is_causal")]
        layers = getattr(self.config, "layer_types", None) or []
        attends = self.reads("past_key_values") and {"full_attention", "sliding_attention"}.issuperset(layers)
        return attends and bool(flags) and all(flags)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, past: Tensor | None = None, **inputs: Any
    ) -> dict[str, Tensor]:
        attended = attention_mask
        if past is not None:
            inputs["past_key_values"] = cache = _cache(past, input_ids.shape[0])
            before = attention_mask.new_ones(input_ids.shape[0], past.shape[3])
            attended = torch.cat([before, attention_mask], dim=1)
        result = self.body(input_ids=input_ids, attention_mask=attended, **inputs)
        if self.classifies:
            logits = result.logits
            if self.positive is not None:
                logits = logits[:, [self.positive]] - logits[:, [1 - self.positive]]
            return {CROSS_ENCODER.output: logits.squeeze(-1).float()}
        # Half precision ends here, before the heads: a graph that ends in it has a last normalisation of mixed types.
        outputs = {STATES: result.last_hidden_state.float()}
        if past is not None:
            outputs[PRESENT] = _present(cache)
        return outputs

    @torch.no_grad()
    def past_of(self, input_ids: Tensor) -> Tensor:
        """The past that one sequence's tokens `[1, tokens]` are."""
        cache = DynamicCache()
        self.body(input_ids=input_ids, past_key_values=cache)
        return _present(cache)


def _cache(past: Tensor, batch: int) -> DynamicCache:
    """A past before each sequence of a batch."""
    layers = []
    for layer in past:
        keys, values = (states.unsqueeze(0).expand(batch, -1, -1, -1) for states in layer)
        layers.append((keys, values))
    # Without a configuration it keeps every token, in layers with a window too.
    return DynamicCache(layers)


def _present(cache: DynamicCache) -> Tensor:
    """The first sequence's keys and values."""
    return torch.stack([torch.stack([keys[0], values[0]]) for keys, values, _ in cache])


class Strays(Protocol):
    """Names the weights that a checkpoint lacks, and those that nothing reads."""

    @property
    def missing(self) -> list[str]: ...

    @property
    def unexpected(self) -> list[str]: ...

    @property
    def misshapen(self) -> list[str]: ...


@dataclass(frozen=True)
class Loaded:
    """A network in float32, ready for inference.

    `missing` and `unexpected` are the names of weights that its checkpoint lacks, or that neither it nor a head reads.
    `misshapen` says of others which shapes they have and should have.
    """

    network: Network
    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]


def load_network(checkpoint: Checkpoint, recipe: Recipe) -> Loaded:
    """Load the checkpoint's body. Raises `ExportError` where transformers cannot."""
    use_own_cores()
    with explained(NOT_LOADED):
        body, report = _load_body(checkpoint, recipe)
    require_numbers(body)
    # A pooler is not part of any graph but a classifier's own.
    missing = [key for key in report["missing_keys"] if recipe.own_classifier or not key.startswith("pooler.")]
    unneeded = _NOT_NEEDED if recipe.own_classifier else _NOT_NEEDED_BY_A_BODY
    unexpected = [key for key in sorted(report["unexpected_keys"]) if not unneeded.search(key)]
    if not recipe.own_classifier and not recipe.by_class:
        unexpected = [key for key in unexpected if not _CLASSIFIES.match(key)]
    used = {name for head in recipe.heads for name in head.tensors.values()}
    network = Network(body, recipe.own_classifier, recipe.positive)
    network.eval()
    unexpected = [name for name in unexpected if name not in used]
    return Loaded(network, sorted(missing), unexpected, misshapen(report))


def _load_body(checkpoint: Checkpoint, recipe: Recipe) -> tuple[PreTrainedModel, dict[str, Any]]:
    auto = AutoModelForSequenceClassification if recipe.own_classifier else AutoModel
    if checkpoint.trust_remote_code:
        return _load_remote(checkpoint, auto)
    # A graph scores whole inputs, so keys and values would be kept for nothing.
    return load_body(checkpoint.folder, checkpoint.native | {"use_cache": False}, auto)


def _load_remote(checkpoint: Checkpoint, auto: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    config = AutoConfig.from_pretrained(checkpoint.folder, trust_remote_code=True)
    for name, value in checkpoint.overrides.items():
        setattr(config, name, value)
    body, report = auto.from_pretrained(checkpoint.folder, config=config, trust_remote_code=True, **LOADING)
    return body, report


def stray_weights(loaded: Strays, architecture: str, allow_missing: bool) -> str | None:
    """One sentence on the weights that are missing or too many, or None.

    Raises it, unless they are allowed. Layers of the body are never: with random ones every score is noise.
    """
    if loaded.misshapen:
        first, *more = loaded.misshapen
        raise ExportError(
            f"The checkpoint's weights have other shapes than its config.json says: {first}"
            f"{f', and so have {len(more)} more' if more else ''}: correct the one, or fetch the other again."
        )
    parts = [
        f"{what} {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
        for what, names in (("lacks the weights", loaded.missing), ("has unexpected weights", loaded.unexpected))
        if names
    ]
    if not parts:
        return None
    warning = f"The checkpoint {' and '.join(parts)}: it is not what {architecture} loads, as config.json describes it."
    if any(not _OF_A_HEAD.match(name) for name in loaded.missing):
        raise ExportError(
            f"{warning} Its files are incomplete, of another architecture or named by code of its own: give the whole "
            "checkpoint as transformers saves it, or import ONNX graphs that it was published with (--from-onnx)."
        )
    if not allow_missing and any(map(_CLASSIFIES.match, loaded.unexpected)):
        classifier = f"{re.sub('(Model|ForCausalLM)$', '', architecture)}ForSequenceClassification"
        embeds = (
            ", or say --score-type bi-encoder where its body alone embeds" if architecture.endswith("Model") else ""
        )
        raise ExportError(
            f"{warning} A classifier has such: for its scores name its class "
            f'(--hf-overrides \'{{"architectures": ["{classifier}"]}}\'){embeds}.'
        )
    if not allow_missing:
        raise ExportError(f"{warning} Give the whole checkpoint, or take it as it is with --allow-missing.")
    return warning
