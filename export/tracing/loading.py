"""Loads a checkpoint's body as transformers does, with what published checkpoints need besides."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from engine.runtime.machine.cores import cores

from ..checkpoint.files import Checkpoint
from ..checkpoint.published import as_transformers
from ..checkpoint.published.multimodal import NAMES
from ..checkpoint.published.tasks import adapters
from ..checkpoint.weights import no_numbers
from ..errors import explained
from ..recipe import Recipe
from . import lora
from .towers.nemotron import LlamaNemotronVLConfig, LlamaNemotronVLModel

LOADING: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
"""How transformers loads weights: what does not fit is in its report, as what is missing is."""


NOT_LOADED = (
    "transformers cannot load the checkpoint as its config.json describes it ({}): correct that, or fetch it again."
)

# What a network returns besides its states, and in which form, is of no matter to a graph; neither is that layers take
# a text in chunks, which some do for the memory.
_AS_TRACED = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "chunk_size_feed_forward": 0,
}


def require_numbers(model: torch.nn.Module) -> None:
    """Raise `ExportError` for a weight that is no number, which would be told of the graph otherwise."""
    for name, weight in model.named_parameters():
        # By the smallest and the largest, which take no memory: a table of embeddings may be half of the weights.
        if weight.numel() and not torch.stack(weight.aminmax()).isfinite().all():
            raise no_numbers(name)


def use_own_cores() -> None:
    """Have PyTorch compute on this process's cores; it takes those of the machine."""
    torch.set_num_threads(min(torch.get_num_threads(), cores()))


def load_body(folder: Path, config: dict[str, Any], auto: Any = AutoModel) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The body in float32, and transformers' report of weights that are missing, unexpected or of another shape.

    `config` is a native one, changed as the user likes; `auto` one of transformers' Auto classes. A checkpoint with
    adapters gets a body with one more input, `adapter`: see `AdaptedBody`.
    """
    settings = as_transformers(config | _AS_TRACED)
    adapted = bool(adapters(config))
    body, report = auto.from_pretrained(
        folder, config=settings, key_mapping=lora.RENAMED if adapted else None, **LOADING
    )
    if getattr(settings, "is_causal", None) is False:
        mark_bidirectional(body)
    if not adapted:
        return body, report
    unexpected = {name for name in report["unexpected_keys"] if not lora.is_factor(name)}
    return lora.adapted(body, folder), report | {"unexpected_keys": unexpected}


def misshapen(report: dict[str, Any]) -> list[str]:
    """What transformers' report says of weights that do not fit."""
    return [f"{key} {list(got)} and not {list(wanted)}" for key, got, wanted in sorted(report["mismatched_keys"])]


@dataclass(frozen=True)
class LoadedModel:
    """A multimodal model in float32, unsplit, and its strays as `network.Loaded` has them."""

    model: PreTrainedModel
    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]


# Weights that no embedding or score depends on: those of training, and the rows of a language model's output.
_NOT_READ = re.compile(r"(^|\.)(position_ids|lm_head\..*|logit_scale|logit_bias)$")


def load_multimodal(checkpoint: Checkpoint, recipe: Recipe) -> LoadedModel:
    """Load the body of a checkpoint that reads pictures. Raises `ExportError` where transformers cannot."""
    use_own_cores()
    native = checkpoint.native | _AS_TRACED
    kind = native["model_type"]
    is_nemotron = kind not in CONFIG_MAPPING
    config = LlamaNemotronVLConfig(**native) if is_nemotron else as_transformers(native)
    auto: Any = LlamaNemotronVLModel if is_nemotron else AutoModel
    with explained(NOT_LOADED):
        model, report = auto.from_pretrained(checkpoint.folder, config=config, key_mapping=NAMES.get(kind), **LOADING)
    if checkpoint.architecture == "Qwen3VLNemotronEmbedModel":
        _without_last_norm(model)
    model.eval()
    require_numbers(model)
    used = {name for head in recipe.heads for name in head.tensors.values()}
    unexpected = [name for name in report["unexpected_keys"] if name not in used and not _NOT_READ.search(name)]
    return LoadedModel(model, sorted(report["missing_keys"]), sorted(unexpected), misshapen(report))


def _without_last_norm(model: Any) -> None:
    """nemotron-colembed attends both ways, and takes what its last layer gives: modeling_qwen3_vl_nemotron_embed.py."""
    model.language_model.norm = torch.nn.Identity()
    model.language_model.config.is_causal = False
    mark_bidirectional(model.language_model)


def mark_bidirectional(body: PreTrainedModel) -> None:
    """transformers goes by the configuration and leaves the layers' own flags as they were, for others to read."""
    for module in body.modules():
        if hasattr(module, "is_causal"):
            setattr(module, "is_causal", False)  # noqa: B010 - as an attribute its type would be Tensor | Module
