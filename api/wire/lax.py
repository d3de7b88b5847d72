"""Reads a body's values as their fields want them: null as the default, and as pydantic's lax mode does, "1" as 1.

https://pydantic.dev/docs/validation/latest/concepts/conversion_table/
"""

import functools
import math
import re
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_INTEGER = re.compile(r"\s*[+-]?[0-9]+(_[0-9]+)*(\.0+)?\s*")
_DIGITS = 4300
"""What Python's `int` reads at most."""
_INT64 = 2.0**63
_BOOLS = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)


def relaxed(value: Any, types: tuple[Any, ...]) -> Any:
    """A value from JSON as one of `types` that a field has, or as it is where none can be meant.

    Numbers and truth values may be written in other ways where no type takes them as they are: a string that may be one
    stays one. What a field with a default has as null is left out.
    """
    match value:
        case dict():
            fields = _fields(types)
            return {
                name: relaxed(item, fields[name][1]) if name in fields else item
                for name, item in value.items()
                if item is not None or name not in fields or fields[name][0]
            }
        case list():
            inner = _elements(types)
            # Numbers in lists are token ids, which stay what they are.
            return [relaxed(item, inner) if isinstance(item, dict | list) else item for item in value]
        case None:
            return None
    if _is_one_of(value, types):
        return value
    readings = (_READERS[kind](value) for kind in types if kind in _READERS)
    return next((reading for reading in readings if reading is not None), value)


def members(kind: Any) -> tuple[Any, ...]:
    """The types that a field's value may have."""
    if get_origin(kind) is Annotated:
        return members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(member for own in get_args(kind) for member in members(own))
    return (kind,)


def inside(kind: Any, field: str) -> Any:
    """The type of a struct's field; where no field is named, that of what a list or an object has."""
    if field and hasattr(kind, "__struct_fields__"):
        return next((own.type for own in msgspec.structs.fields(kind) if own.name == field), None)
    return get_args(kind)[-1] if not field and get_args(kind) else None


def _is_one_of(value: Any, types: tuple[Any, ...]) -> bool:
    literals = (choice for kind in types if get_origin(kind) is Literal for choice in get_args(kind))
    return type(value) in types or (type(value) is int and float in types) or value in literals


@functools.cache
def _elements(types: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(member for outer in types if get_origin(outer) is list for member in members(inside(outer, "")))


@functools.cache
def _fields(types: tuple[Any, ...]) -> dict[str, tuple[bool, tuple[Any, ...]]]:
    """Whether each field of what structs there are is required, and its types."""
    structs = (one for one in types if hasattr(one, "__struct_fields__"))
    return {
        own.encode_name: (own.required, members(own.type)) for one in structs for own in msgspec.structs.fields(one)
    }


def _integer(value: str | float) -> int | None:
    match value:
        case str() if len(value) <= _DIGITS and _INTEGER.fullmatch(value):
            return int(value.partition(".")[0])
        case float() if value.is_integer() and abs(value) < _INT64:
            return int(value)
        case bool():
            return int(value)
    return None


def _decimal(value: str | float) -> float | None:
    try:
        # Python knows more digits than ASCII's.
        number = float(value.encode() if isinstance(value, str) else value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _boolean(value: str | float) -> bool | None:
    if isinstance(value, str):
        return _BOOLS.get(value.lower())
    return bool(value) if value in (0, 1) else None


_READERS: dict[Any, Callable[[Any], Any]] = {int: _integer, float: _decimal, bool: _boolean}
