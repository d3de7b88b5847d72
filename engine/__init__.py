"""Computes relevance scores from exported artifacts, with ONNX Runtime alone.

What `engine/public.py` names is public, and imported from here: `api` uses nothing else of the engine but what all
commands share, `engine.command` and `engine.extras`. Nothing is imported before it is asked for, so that commands can
help, refuse arguments and say what is not installed without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .public import *  # noqa: F403
    from .public import __all__ as __all__

__version__ = "0.1.0"

if not TYPE_CHECKING:  # or the checker takes any name for one of these

    def __getattr__(name: str) -> Any:
        return getattr(import_module(".public", __name__), name)
