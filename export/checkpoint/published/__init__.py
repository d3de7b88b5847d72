"""Translates the configurations of checkpoints that were published with code of their own.

transformers has classes for the same networks. A module a family: `matches` knows its `config.json`, `native` says the
same in transformers' words or refuses. Code that needs PyTorch is in `tracing`, and not imported here.
"""

from typing import TYPE_CHECKING, Any

from ...errors import explained
from . import gte, jina, multimodal, nemotron, nomic, zerank
from .settings import without
from .tasks import adapters, instructions

if TYPE_CHECKING:  # or recognition would wait for PyTorch
    from transformers import PretrainedConfig

__all__ = ["adapters", "as_transformers", "instructions", "is_translated", "native_config"]

_STRANGE = (
    "The checkpoint's config.json has a setting that its model cannot have, or lacks one ({}): correct it, or fetch "
    "the file again."
)
# How a class of transformers computes and what it returns besides, which no score depends on.
_MANNERS = ("chunk_size_feed_forward", "output_attentions", "output_hidden_states", "return_dict", "use_return_dict")
_FAMILIES = (gte, jina, multimodal, nemotron, nomic, zerank)


def is_translated(config: dict[str, Any]) -> bool:
    """Whether `config.json` is of a family for texts whose own code is known here."""
    return any(family.matches(config) for family in _FAMILIES if family is not multimodal)


def native_config(config: dict[str, Any]) -> dict[str, Any]:
    """`config.json` as transformers' own class reads it (its `model_type` names that class); others as they are.

    Raises `ExportError` where a setting has no counterpart, or is of a type that no model has.
    """
    with explained(_STRANGE):
        for family in _FAMILIES:
            if family.matches(config):
                native: dict[str, Any] = family.native(config)
                return native
    return config


def as_transformers(native: dict[str, Any]) -> "PretrainedConfig":
    """A native configuration as an object of the class its `model_type` names, without the code a checkpoint names.

    That of a model which transformers has no class for is its language model's. Raises `ExportError` where the class
    does not take a setting.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    with explained(_STRANGE):
        if native["model_type"] not in CONFIG_MAPPING:
            native = native["text_config"]
        return CONFIG_MAPPING[native["model_type"]].from_dict(without(native, *_MANNERS))
