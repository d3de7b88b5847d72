"""Splits a multimodal model of transformers into its vision tower and its text body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from ...errors import ExportError
from ...graph import MULTIPLE
from ..loading import mark_bidirectional
from .fixed import ClipTower, SiglipTower, TableTower
from .merged import MergedBody
from .naflex import NaFlexTower
from .nemotron import ShuffledProjector
from .qwen import Qwen2Tower, Qwen3Tower, Qwen25Tower
from .vision import VisionTower


@dataclass(frozen=True)
class Towers:
    """The two parts of a model, in the precision that it was loaded in.

    `text` is the body of a `Network`: a two-tower model's own, which has its texts' tokens alone, or a `MergedBody`.
    """

    vision: VisionTower
    text: PreTrainedModel


def split(model: PreTrainedModel) -> Towers:
    """The towers of a model, which share its weights. Raises `ExportError` for a model of another type."""
    kind = str(model.config.model_type)
    if kind not in _SPLITS:
        raise ExportError(f"ScoreRT cannot split a model of the type '{kind}'; it splits {', '.join(sorted(_SPLITS))}.")
    towers = _SPLITS[kind](model)
    towers.vision.eval()
    towers.text.eval()
    return towers


def _clip(model: Any) -> Towers:
    # Each layer says that it is not causal, and transformers' model tells it otherwise as it runs.
    for layer in model.text_model.encoder.layers:
        layer.self_attn.is_causal = True
    return Towers(ClipTower(model), _with_room(model.text_model))


def _siglip(model: Any) -> Towers:
    return Towers(SiglipTower(model), _with_room(model.text_model))


def _siglip2(model: Any) -> Towers:
    # What flash attention does not suit is the pooling of its pictures alone.
    model.text_model._supports_flash_attn = True
    return Towers(NaFlexTower(model), _with_room(model.text_model))


def _with_room(text: Any) -> Any:
    """Give padding positions, too, up to a number of tokens that every graph takes: CLIP has 77."""
    embeddings = text.embeddings
    table = embeddings.position_embedding
    more = -table.num_embeddings % MULTIPLE
    table.weight = torch.nn.Parameter(torch.nn.functional.pad(table.weight, (0, 0, 0, more)), requires_grad=False)
    table.num_embeddings += more
    embeddings.position_ids = torch.arange(table.num_embeddings)[None]
    return text


def _qwen(tower: type[Qwen2Tower]) -> Callable[[Any], Towers]:
    def split(model: Any) -> Towers:
        vision = tower(model.visual)
        return Towers(vision, MergedBody(model.language_model, vision.levels, has_positions=True))

    return split


def _paligemma(model: Any) -> Towers:
    text = model.language_model
    if text.config.model_type != "gemma":
        raise ExportError(f"ScoreRT reads PaliGemma with Gemma as its language model, not '{text.config.model_type}'.")
    # Positions begin with 1, and all of a prompt is a prefix, whose tokens attend to each other.
    return Towers(
        TableTower(model.vision_tower, model.multi_modal_projector), MergedBody(_bidirectional(text), first_position=1)
    )


def _modernvbert(model: Any) -> Towers:
    return Towers(TableTower(model.vision_model, model.connector), MergedBody(model.text_model))


def _llama_nemotron_vl(model: Any) -> Towers:
    vision = TableTower(model.vision_model, ShuffledProjector(model))
    return Towers(vision, MergedBody(_bidirectional(model.language_model)))


def _bidirectional(text: PreTrainedModel) -> PreTrainedModel:
    text.config.is_causal = False
    mark_bidirectional(text)
    return text


_SPLITS: dict[str, Callable[[Any], Towers]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "qwen2_vl": _qwen(Qwen2Tower),
    "qwen2_5_vl": _qwen(Qwen25Tower),
    "qwen3_vl": _qwen(Qwen3Tower),
    "paligemma": _paligemma,
    "modernvbert": _modernvbert,
    "llama_nemotron_vl": _llama_nemotron_vl,
}
"""By `model_type`."""
