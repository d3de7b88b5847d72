"""Chooses the adapter and the prompt of jina-embeddings-v3 for each side of a retrieval."""

from typing import Any

from ...errors import ExportError

_ROLES = {"query": "retrieval.query", "document": "retrieval.passage"}


def adapters(config: dict[str, Any]) -> dict[str, int]:
    """The adapter of each side, "query" and "document", as `AdaptedBody`'s input `adapter` wants it; or nothing.

    `config` is a checkpoint's, published or native. Raises `ExportError` where it has adapters but not these.
    """
    tasks = config.get("lora_adaptations") if config.get("load_trained_adapters", True) else None
    if not tasks:
        return {}
    if not set(_ROLES.values()) <= set(tasks):
        raise ExportError(
            f"The checkpoint's adapters are {', '.join(tasks)}, but retrieval needs {' and '.join(_ROLES.values())}."
        )
    return {role: tasks.index(task) for role, task in _ROLES.items()}


def instructions(config: dict[str, Any]) -> dict[str, str]:
    """The prompt of each side, "query" and "document", that its adapter was trained with."""
    tasks = config.get("task_instructions") or {}
    return {role: tasks.get(task, "") for role, task in _ROLES.items()}
