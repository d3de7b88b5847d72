"""Refuses by its name what a request says otherwise than it is done, so that nothing is passed over without a word."""

import msgspec
from msgspec import UNSET

from ..errors import InvalidRequest

_LIMIT = "truncate_prompt_tokens"


def require(request: msgspec.Struct, **wanted: object) -> None:
    """Raises `InvalidRequest` for a field that is neither left out nor as it is wanted; None is wanted of no value."""
    for name, value in wanted.items():
        given = getattr(request, name)
        if given is None or given == {} or given == value:
            continue
        if value is None:
            raise InvalidRequest(f"{name} is not supported: leave it out.", f"body.{name}")
        raise InvalidRequest(
            f"{name} is not supported but as {msgspec.json.encode(value).decode()}: leave it out.", f"body.{name}"
        )


def require_cutting(request: msgspec.Struct, name: str) -> None:
    """Raises `InvalidRequest` where a request's own field is false, which refuses long texts, and a limit cuts them."""
    if getattr(request, name) is False and getattr(request, _LIMIT) is not None:
        raise InvalidRequest(f"{name} and {_LIMIT} contradict each other: leave one of them out.", f"body.{name}")


def require_one(request: msgspec.Struct, *names: str) -> None:
    """Raises `InvalidRequest` where fields that name the same thing have values that differ."""
    given = [name for name in names if getattr(request, name) not in (None, UNSET)]
    for other in given[1:]:
        if getattr(request, other) != getattr(request, given[0]):
            raise InvalidRequest(f"{given[0]} and {other} name the same thing: leave one of them out.", f"body.{other}")
