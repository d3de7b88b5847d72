"""Identifiers of what the server answers."""

import secrets


def response_id(request_id: str | None) -> str:
    """A scoring response's: the request's own where it gave one, else 64 random bits in hex."""
    return f"score-{secrets.token_hex(8) if request_id is None else request_id}"


def permission_id() -> str:
    """A model permission's: 64 random bits in hex."""
    return f"modelperm-{secrets.token_hex(8)}"
