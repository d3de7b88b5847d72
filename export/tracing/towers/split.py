"""Splits a multimodal model of transformers into its vision tower and its text body."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from ...errors import ExportError
from .fixed import ClipTower, SiglipTower
from .merged import MergedBody
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
    return Towers(ClipTower(model), model.text_model)


def _siglip(model: Any) -> Towers:
    return Towers(SiglipTower(model), model.text_model)


def _qwen(tower: type[Qwen2Tower]) -> Callable[[Any], Towers]:
    def split(model: Any) -> Towers:
        vision = tower(model.visual)
        return Towers(vision, MergedBody(model.language_model, vision.levels, has_positions=True))

    return split


_SPLITS: dict[str, Callable[[Any], Towers]] = {
    "clip": _clip,
    "siglip": _siglip,
    "qwen2_vl": _qwen(Qwen2Tower),
    "qwen2_5_vl": _qwen(Qwen25Tower),
    "qwen3_vl": _qwen(Qwen3Tower),
}
"""By `model_type`."""
