"""Reads which layers an adapter changes, and how strongly, as peft reads its settings (https://huggingface.co/docs/peft)."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from ..errors import ExportError
from .settings import Settings

CONFIG = "adapter_config.json"

# What changes more than a product of two matrices can say, and the values that do not. The others must be empty.
_ALLOWED: dict[str, Sequence[Any]] = {
    "peft_type": ["LORA"],
    "bias": ["none"],
    # Others change the base's weights, too.
    "init_lora_weights": [True, False, "gaussian", "orthogonal", "eva"],
}
_EMPTY = (
    "alora_invocation_tokens",
    "arrow_config",
    "layer_replication",
    "lora_bias",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)

# peft's, where its file does not say.
_ALPHA = 8.0


def require_plain_adapter(settings: Settings) -> None:
    """Raise `ExportError` for an adapter that is more than products, as its settings say."""
    strange = [name for name, values in _ALLOWED.items() if settings.get(name) not in (None, *values)]
    strange += [name for name in _EMPTY if settings.get(name)]
    for name in strange:
        raise ExportError(
            f"The adapter's {CONFIG} has {name} {json.dumps(settings[name])}, which ScoreRT cannot merge: merge it "
            "with peft (merge_and_unload), and export the folder that this saves."
        )


def require_rank(module: str, rank: int, settings: Settings) -> None:
    """Raise `ExportError` where the settings say another rank than the factors of a module have."""
    wanted = _of_module(module, "rank_pattern", settings, settings.number("r", rank))
    if wanted != rank:
        raise ExportError(
            f"The adapter's factors for {module} have rank {rank}, and its {CONFIG} says {wanted:g} (r, rank_pattern): "
            "fetch both again."
        )


def scale_of(module: str, rank: int, settings: Settings) -> float:
    """alpha / r, or alpha / sqrt(r) where the adapter is rank-stabilised (https://arxiv.org/abs/2312.03732)."""
    alpha = _of_module(module, "alpha_pattern", settings, settings.number("lora_alpha", _ALPHA, above=-math.inf))
    return alpha / (math.sqrt(rank) if settings.flag("use_rslora", False) else rank)


def _of_module(module: str, name: str, settings: Settings, default: float) -> float:
    """The number that a setting of patterns has for a module."""
    patterns = settings.section(name)
    for pattern in patterns:
        try:
            is_named = re.fullmatch(rf"(.*\.)?({pattern})", module)
        except re.error:
            raise settings.refused(name, "an object of regular expressions, each with a number") from None
        if is_named:
            return patterns.number(pattern, default, above=-math.inf)
    return default


def require_target(module: str, settings: Settings) -> None:
    """Raise `ExportError` for a layer that the settings leave out, whose factors peft passes over."""
    for name, matches in (("exclude_modules", False), ("target_modules", True)):
        named = settings.get(name)
        if named is not None and named != "all-linear" and _is_named(module, name, settings) is not matches:
            raise _left_out(module, name, settings)
    layers = settings.get("layers_to_transform")
    if layers in (None, []) or module in (settings.get("target_modules") or ()):
        return
    patterns = settings.get("layers_pattern") or r"[^.]*"
    for pattern in [patterns] if isinstance(patterns, str) else settings.texts("layers_pattern", ()):
        if number := re.match(rf".*\.{pattern}\.(\d+)\.", module):
            if int(number[1]) in (layers if isinstance(layers, list) else [layers]):
                return
            break
    raise _left_out(module, "layers_to_transform", settings)


def _is_named(module: str, name: str, settings: Settings) -> bool:
    """Whether a setting, a regular expression or a list of the ends of names, has the module."""
    named = settings.get(name)
    if not isinstance(named, str):
        return any(f".{module}".endswith(f".{end}") for end in settings.texts(name, ()))
    try:
        return re.fullmatch(named, module) is not None
    except re.error:
        raise settings.refused(name, "a list of modules or a regular expression") from None


def _left_out(module: str, name: str, settings: Settings) -> ExportError:
    return ExportError(
        f"The adapter has factors for {module}, which its {CONFIG} leaves out ({name} {json.dumps(settings[name])}): "
        "peft would pass them over, so correct the setting, or fetch the adapter again."
    )
