"""Tells Pinecone's clients from others."""

from ...endpoint import Fields, Headers

_VERSION = "X-Pinecone-API-Version"

DIALECT = "Pinecone"
TOLD_BY = f"the header `{_VERSION}`"


def from_pinecone_client(fields: Fields, headers: Headers) -> bool:
    """Whether a request names a version of Pinecone's API, as each of its clients does."""
    return _VERSION in headers
