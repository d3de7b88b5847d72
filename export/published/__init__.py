"""Checkpoints that were published with code of their own, read by transformers' classes for the same networks.

A module a family: `matches` knows its `config.json`, `native` says the same in transformers' words or refuses. What
needs PyTorch is in `loading` and `lora`, and not imported here.
"""

from typing import Any

from . import gte, jina, nemotron, nomic, zerank
from .tasks import adapters, instructions

__all__ = ["adapters", "instructions", "native_config"]

_FAMILIES = (gte, jina, nemotron, nomic, zerank)


def native_config(config: dict[str, Any]) -> dict[str, Any]:
    """`config.json` as transformers' own class reads it (its `model_type` names that class); others as they are.

    Raises `ExportError` where a setting has no counterpart.
    """
    for family in _FAMILIES:
        if family.matches(config):
            native: dict[str, Any] = family.native(config)
            return native
    return config
