"""Refuses by its name what a request says otherwise than it is done, so that nothing is passed over without a word."""

import msgspec

from ..errors import InvalidRequest


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
