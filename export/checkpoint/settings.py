"""Reads named settings of a checkpoint's JSON files, each of its type and within its bounds, or refuses it by name."""

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import ExportError

SHORTEST = 8
"""The fewest tokens that a checkpoint's inputs may be limited to, special ones included: a choice."""

_MOST_SHOWN = 60


class Settings(dict[str, Any]):
    """What a JSON object of `file` says. In sentences its settings are called by their names after `prefix`.

    A setting that is null counts as absent. Every method raises `ExportError` for a value of another kind.
    """

    def __init__(self, values: dict[str, Any], file: Path, prefix: str = "") -> None:
        super().__init__(values)
        self.file = file
        self.prefix = prefix

    def whole(self, name: str, default: int, least: int, most: int | None = None) -> int:
        """A whole number of at least `least`, and at most `most`; 8.0 is one, too."""
        found = self.get(name)
        if found is None:
            return default
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or not math.isfinite(found) or found != int(found) or not least <= found <= (most or found):
            bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise self.refused(name, f"a whole number {bounds}")
        return int(found)

    def length(self, name: str) -> int | None:
        """The tokens that inputs are limited to, or None."""
        return None if self.get(name) is None else self.whole(name, 0, SHORTEST)

    def number(self, name: str, default: float, above: float = 0) -> float:
        """A number above another; null is none, since no library takes it for one."""
        found = self.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not above < found < math.inf:
            raise self.refused(name, "a number" if above == -math.inf else f"a number above {above:g}")
        return float(found)

    def flag(self, name: str, default: bool) -> bool:
        """true or false. Libraries take null for false, so that it is refused where that is not what absence means."""
        found = self.get(name, default)
        if found is None and not default:
            return False
        if not isinstance(found, bool):
            raise self.refused(name, "true or false")
        return found

    def text(self, name: str, default: str = "") -> str:
        """A text. null is one without characters, as it is to the libraries that write prompts."""
        found = self.get(name, default)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self.refused(name, "a text")
        return found

    def name(self, name: str, known: Collection[str] = ()) -> str | None:
        """A text that names something, one of those that are `known`, where they are given; None where it is absent."""
        found = self.get(name)
        if found is not None and (not isinstance(found, str) or (known and found not in known)):
            raise self.refused(name, f"one of {', '.join(known)}" if known else "a text")
        return found

    def texts(self, name: str, default: Collection[str]) -> tuple[str, ...]:
        """A list of texts."""
        found = self.get(name)
        if found is None:
            return tuple(default)
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise self.refused(name, "a list of texts")
        return tuple(found)

    def section(self, name: str) -> "Settings":
        """The settings of an object inside, or none."""
        found = self.get(name)
        if found is not None and not isinstance(found, dict):
            raise self.refused(name, "an object")
        return Settings(found or {}, self.file, f"{self.prefix}{name}.")

    def refused(self, name: str, must: str) -> ExportError:
        """The error of a setting that is not what it `must` be."""
        found = json.dumps(self.get(name), default=str)
        shown = found if len(found) <= _MOST_SHOWN else f"{found[: _MOST_SHOWN - 3]}..."
        return ExportError(
            f"{self.file} has {self.prefix}{name} {shown}, and it must be {must}: correct it, or fetch the file again."
        )
