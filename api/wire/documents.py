"""Reads documents that are objects, by their text or by the fields that a request names."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import InvalidRequest

Document = str | dict[str, Any]


def text_of_document(
    index: int, document: Document, rank_fields: Sequence[str] | None, parameter: str = "documents"
) -> str:
    """What a document is read as: its "text", or a line "name: value" for each of its `rank_fields`.

    Raises `InvalidRequest` where it has none of them; `parameter` is what the request calls its documents.
    """
    if isinstance(document, str):
        return document
    if not rank_fields:
        text = document.get("text")
        if not isinstance(text, str):
            raise InvalidRequest(
                f"{parameter}[{index}] has no text: give it one, or name the fields to read in rank_fields.",
                f"body.{parameter}",
            )
        return text
    # As YAML writes them, which Cohere advises for documents with fields.
    lines = [f"{name}: {value_of(document[name])}" for name in rank_fields if name in document]
    if not lines:
        raise InvalidRequest(
            f"{parameter}[{index}] has none of the rank_fields: name one that it has.", f"body.{parameter}"
        )
    return "\n".join(lines)


def value_of(value: object) -> str:
    """A field's value as a text: a string as it is, and others as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
