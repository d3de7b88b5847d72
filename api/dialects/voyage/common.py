"""Tells Voyage's clients from others, and defines what the answers to them have."""

import re

import msgspec

from ...endpoint import Fields, Headers

_MODEL = re.compile(rb'"(voyage-|rerank-(lite-)?\d).*"')


def from_voyage(fields: Fields, headers: Headers) -> bool:
    """Whether a request names one of Voyage's own models, such as rerank-2.5, or its JavaScript library sent it.

    The Python library sends no header of its own.
    """
    named = bytes(fields.get("model", b""))
    return "voyage" in headers.get("X-Fern-SDK-Name", "").lower() or _MODEL.fullmatch(named) is not None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of all inputs, remembered ones too."""

    total_tokens: int
