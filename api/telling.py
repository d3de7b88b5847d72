"""Tells which endpoint of a path a request is for, and refuses in it what only others can do anything with."""

import re
from collections.abc import Iterable, Mapping, Sequence

from .endpoint import Endpoint, Fields, Headers
from .errors import InvalidField

_VERSION = re.compile(r"^/v\d+(?=/)")
_NOTHING = (b"null", b"{}", b"[]")

# What changes nothing in an answer: the names and order of requests, and what vLLM's clients send with conversations.
_PASSED_OVER = frozenset({"request_id", "priority", "add_special_tokens"})


def meant(endpoints: Sequence[Endpoint], fields: Fields, headers: Headers) -> Endpoint:
    """The endpoint of a path that a request is for."""
    return next(endpoint for endpoint in endpoints if endpoint.when is None or endpoint.when(fields, headers))


def fields_by_path(endpoints: Iterable[Endpoint]) -> Mapping[str, frozenset[str]]:
    """All fields that bodies may have on each path, whatever its version: `/v2/rerank` has those of `/rerank`."""
    by_name: dict[str, set[str]] = {}
    paths = {}
    for endpoint in endpoints:
        for path in endpoint.paths:
            paths[path] = by_name.setdefault(_VERSION.sub("", path), set())
            paths[path] |= endpoint.fields
    return {path: frozenset(fields) for path, fields in paths.items()}


def foreign(endpoint: Endpoint, fields: frozenset[str]) -> frozenset[str]:
    """Those of a path's fields that an endpoint does not know."""
    return fields - endpoint.fields - _PASSED_OVER


def refuse_foreign(fields: Fields, names: frozenset[str], endpoint: Endpoint) -> None:
    """Raises `InvalidField` for a field of another dialect's, which says something that would be passed over.

    Fields that no endpoint of the path knows are none of these.
    """
    for name, value in fields.items():
        if name in names and bytes(value) not in _NOTHING:
            which = f"a request of {endpoint.dialect}'s"
            if endpoint.when is None:
                raise InvalidField(f"{name} has no place in {which}, as this is: leave it out.", f"body.{name}")
            raise InvalidField(
                f"{name} has no place in {which}, told by {endpoint.told_by}: leave one of them out.", f"body.{name}"
            )
