"""Makes the identifiers of what the server answers."""

import secrets

from ..endpoint import Call


def response_id(kind: str, request_id: str | None, call: Call) -> str:
    """A response's, such as "score-…", from the id that its body gives a request, else the one that the log has."""
    return f"{kind}-{call.record.request_id if request_id is None else request_id}"


def random_id() -> str:
    """64 random bits in hex."""
    return secrets.token_hex(8)
