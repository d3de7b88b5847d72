"""Writes embeddings as numbers or base64, and reads whether texts are queries or documents."""

import base64
from typing import Literal

from engine import Floats, Role

EncodingFormat = Literal["float", "base64"]
"""Numbers as JSON has them, or base64 of their little-endian float32 bytes, row by row."""

InputType = Literal["query", "document", "passage", "search_query", "search_document"]
"""Which of a model's prompts a text gets: the same two, under the names that clients have for them."""


def encoded(values: Floats, encoding_format: EncodingFormat) -> list[float | list[float]] | str:
    """An embedding `[dim]`, or token embeddings `[tokens, dim]`."""
    if encoding_format == "base64":
        return in_base64(values)
    numbers: list[float | list[float]] = values.tolist()
    return numbers


def in_base64(values: Floats) -> str:
    """The little-endian bytes of all numbers in order."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def role(input_type: InputType | None) -> Role | None:
    """What the engine calls it; None for a text that is to be embedded as it is, without a prompt."""
    if input_type is None:
        return None
    return "query" if input_type in ("query", "search_query") else "document"
