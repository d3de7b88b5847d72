"""The PyTorch network of a recipe: the checkpoint's body with its heads, as one module to trace."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from . import heads
from .errors import ExportError
from .recipe import Head, Recipe
from .source import Checkpoint

# What the graph of each score type returns: the name of its output, and of its values in a manifest.
OUTPUTS = {"cross-encoder": "logits", "bi-encoder": "embeddings", "late-interaction": "token_embeddings"}


class ScoringNetwork(PreTrainedModel):
    """Token ids in, one float32 output out, named after the score type.

    `logits` is `[batch]`, `embeddings` `[batch, dim]`, `token_embeddings` `[batch, tokens, dim]`. The heads compute in
    float32 whatever the body's precision is, so that sums over tokens and norms cannot overflow.
    """

    # The body has settled how it attends; this keeps PreTrainedModel from settling it again.
    _supports_sdpa = True

    def __init__(self, body: PreTrainedModel, modules: list[torch.nn.Module], output: str) -> None:
        super().__init__(body.config)
        self.body = body
        self.heads = torch.nn.ModuleList(modules)
        self.output = output

    @property
    def pooling(self) -> str | None:
        """The pooling modes inside, joined by "+", or None."""
        modes = [mode for head in self.heads if isinstance(head, heads.Pooling) for mode in head.modes]
        return "+".join(modes) or None

    @property
    def projections(self) -> list[int]:
        """The output width of each Dense layer, in order."""
        return [head.linear.out_features for head in self.heads if isinstance(head, heads.Dense)]

    @property
    def dimension(self) -> int:
        """The width of an embedding."""
        if self.projections:
            return self.projections[-1]
        modes = self.pooling.count("+") + 1 if self.pooling else 1
        return int(self.config.hidden_size) * modes

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> dict[str, Tensor]:
        result = self.body(input_ids=input_ids, attention_mask=attention_mask, **inputs)
        if self.output == "logits":
            return {self.output: result.logits.squeeze(-1).float()}
        states = result.last_hidden_state.float()
        for head in self.heads:
            states = head(states, attention_mask)
        return {self.output: states}


def load_network(checkpoint: Checkpoint, recipe: Recipe) -> ScoringNetwork:
    """Load the checkpoint in float32, ready for inference. Raises `ExportError` where weights are missing."""
    try:
        return _load(checkpoint, recipe)
    except (OSError, ValueError) as error:
        raise ExportError(f"transformers cannot load the checkpoint: {error}") from None


def _load(checkpoint: Checkpoint, recipe: Recipe) -> ScoringNetwork:
    config = AutoConfig.from_pretrained(checkpoint.folder, trust_remote_code=checkpoint.trust_remote_code)
    for name, value in checkpoint.overrides.items():
        setattr(config, name, value)
    is_classifier = recipe.score_type == "cross-encoder"
    auto = AutoModelForSequenceClassification if is_classifier else AutoModel
    body, report = auto.from_pretrained(
        checkpoint.folder,
        config=config,
        dtype=torch.float32,
        trust_remote_code=checkpoint.trust_remote_code,
        output_loading_info=True,
    )
    # A pooler is not part of any graph but a classifier's own.
    missing = sorted(key for key in report["missing_keys"] if is_classifier or not key.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        names = missing + sorted(str(key) for key in report["mismatched_keys"])
        raise ExportError(
            f"The checkpoint has no weights for {', '.join(names[:5])}{' …' if len(names) > 5 else ''}: "
            f"it is not a complete {recipe.architecture}."
        )
    modules = [_build(head) for head in recipe.heads]
    network = ScoringNetwork(body, modules, OUTPUTS[recipe.score_type])
    network.eval()
    return network


def _build(head: Head) -> torch.nn.Module:
    if head.kind == "Pooling":
        return heads.Pooling(heads.pooling_modes(head.config))
    if head.kind == "Normalize":
        return heads.Normalize()
    weights = _weights(head.folder)
    try:
        return heads.Dense(head.config, weights) if head.kind == "Dense" else heads.LayerNorm(weights)
    except KeyError as error:
        raise ExportError(f"{head.folder} has no weights named {error} for its {head.kind} module.") from None


def _weights(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights |= load_file(file)
    if not weights:
        for file in sorted(folder.glob("*.bin")):
            weights |= torch.load(file, map_location="cpu", weights_only=True)
    return weights
