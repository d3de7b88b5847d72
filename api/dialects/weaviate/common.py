"""Defines what Weaviate reads of every answer of its containers."""

import msgspec

DIALECT = "Weaviate"


class WeaviateErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every error response to Weaviate holds: a sentence in `error`, and again where others look for it."""

    error: str
    message: str
    detail: str
    request_id: str
