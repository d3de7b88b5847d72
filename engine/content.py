"""Defines content: what a query or a document may be for the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a content that is text."""

    text: str


Part: TypeAlias = Text
"""A part of a content."""

Content: TypeAlias = str | Sequence[Part]
"""A query or a document: a text, or parts in order."""


def text_of(content: Content) -> str:
    """The text of a content, its text parts on a line each, as vLLM joins them."""
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def is_content(value: object) -> bool:
    """Whether a value is one content, and not several."""
    return isinstance(value, str) or (isinstance(value, Sequence) and len(value) > 0 and isinstance(value[0], Part))
