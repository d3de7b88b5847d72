"""Writes facts for people, each beside its name, and for programs, as JSON."""

import json
from collections.abc import Iterable, Sequence
from typing import Any


def beside(facts: Iterable[tuple[str, str | Sequence[str]]]) -> str:
    """A line for each fact that is there, the names in a column; a list has a line an entry."""
    lines = [
        (name if number == 0 else "", line)
        for name, fact in facts
        for number, line in enumerate([fact] if isinstance(fact, str) else fact)
        if line
    ]
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"{name:{width}}  {line}" for name, line in lines)


def as_json(facts: Any) -> str:
    """In ASCII, which every console has."""
    return json.dumps(facts, indent=2)


def size(count: float) -> str:
    """Bytes in words."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} GB"
