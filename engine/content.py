"""Defines content: what a query or a document may be for the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a content that is text."""

    text: str


Part: TypeAlias = Text
"""A part of a content."""

Content: TypeAlias = str | Sequence[Part]
"""A query or a document: a text, or parts in order, at least one."""


def text_of(content: Content) -> str:
    """The text of a content, its text parts on a line each, as vLLM joins them."""
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def is_content(value: object) -> bool:
    """Whether a value is one content, and not several."""
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(part, Part) for part in value)


def texts_of(contents: object, name: str) -> list[str]:
    """The texts of one content or of several. Raises `InvalidInput`, which calls them `name`, for anything else."""
    several = [contents] if is_content(contents) else contents
    if not isinstance(several, Sequence) or not all(is_content(content) for content in several):
        raise InvalidInput(f"{name} must be a text, a list of parts such as [Text(...)], or a list of those.")
    return [text_of(content) for content in several]
