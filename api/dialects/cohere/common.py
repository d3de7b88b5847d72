"""Tells Cohere's clients from others, and defines what every answer to them has."""

from typing import Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from ...endpoint import Headers

Version = Literal["1", "2"]

_SEARCH_UNIT = 100


def from_cohere_client(headers: Headers) -> bool:
    """Whether one of Cohere's own libraries sent a request: each names itself, such as "cohere" or "cohere-ai"."""
    return "cohere" in headers.get("X-Fern-SDK-Name", "").lower()


class ApiVersion(msgspec.Struct, frozen=True):
    version: Version


class BilledUnits(msgspec.Struct, frozen=True, kw_only=True):
    """`search_units` are one for every 100 documents begun; `input_tokens` count special tokens, and images' too.

    `image_tokens` are 0 where there are no images, as vLLM has them.
    """

    images: int | UnsetType = UNSET
    input_tokens: int | UnsetType = UNSET
    image_tokens: int | UnsetType = UNSET
    search_units: int | UnsetType = UNSET


class Meta(msgspec.Struct, frozen=True):
    api_version: ApiVersion
    billed_units: BilledUnits

    @classmethod
    def of(cls, version: Version, units: BilledUnits) -> Self:
        return cls(ApiVersion(version), units)

    @classmethod
    def of_search(cls, version: Version, documents: int) -> Self:
        """Of one query with so many documents."""
        return cls.of(version, BilledUnits(search_units=-(-documents // _SEARCH_UNIT)))
