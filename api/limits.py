"""How much one request may ask for, and how many may ask at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request; `timeout` is in seconds, tokens are those that the model computes."""

    max_body_bytes: int = 32 * 2**20
    max_documents: int = 10_000
    max_request_tokens: int = 1_000_000
    timeout: float = 60.0
    max_concurrent_requests: int = 512
