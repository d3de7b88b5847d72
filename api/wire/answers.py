"""Encodes answers as JSON a part at a time, and arrays of numbers in them last.

The encoder holds the interpreter's lock, so that nothing else is answered meanwhile, and token embeddings of an answer
may be a gigabyte of JSON. Lists of Python's floats take several times the memory of an array.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

# Items of a list that are encoded at a time, and numbers of an array, some 5 ms of them: choices.
_ITEMS = 16
_NUMBERS = 16_384
# The least bytes of a part that is sent, but for the last: a choice.
_PART = 2**20

# What stands where a part belongs: JSON has no such byte, since strings escape it.
_HERE = b"\0"


def numbers(values: NDArray[Any]) -> Any:
    """An array as a part of an answer, whose type says what lists of numbers it becomes: what `tolist` gives."""
    return values


def encoded(answer: object) -> list[bytes]:
    """An answer as JSON, in parts that follow one another."""
    return list(joined(_parts(answer)))


class _Long:
    """A list that is encoded some items at a time."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def _parts(answer: object, bare: bool = False) -> Iterator[bytes]:
    """The parts of an answer; of a `bare` list without its brackets. Each is encoded when it is asked for."""
    inner: list[Iterator[bytes]] = []

    def apart(value: object) -> msgspec.Raw:
        if isinstance(value, _Long):
            inner.append(_some_at_a_time(value.items, _ITEMS, lambda some: _parts(some, bare=True)))
        elif isinstance(value, np.ndarray):
            inner.append(_array(value))
        else:
            raise TypeError(f"{type(value).__name__} is no part of an answer.")
        return msgspec.Raw(_HERE)

    outer = msgspec.json.encode(_marked(answer), enc_hook=apart)
    first, *others = (outer[1:-1] if bare else outer).split(_HERE)
    yield first
    for parts, after in zip(inner, others, strict=True):
        yield from parts
        yield after


def _array(values: NDArray[Any]) -> Iterator[bytes]:
    if values.size <= _NUMBERS:
        yield msgspec.json.encode(values.tolist())
    else:
        rows = max(1, _NUMBERS * len(values) // values.size)
        yield from _some_at_a_time(values, rows, lambda some: [msgspec.json.encode(some.tolist())[1:-1]])


def _some_at_a_time(items: Any, length: int, parts: Callable[[Any], Iterable[bytes]]) -> Iterator[bytes]:
    """A list of more items than `length`, of so many of which `parts` gives the JSON without brackets."""
    for start in range(0, len(items), length):
        yield b"," if start else b"["
        yield from parts(items[start : start + length])
    yield b"]"


def _marked(answer: Any) -> Any:
    """An answer whose long lists are not for the encoder itself."""
    if isinstance(answer, list):
        return _Long(answer) if len(answer) > _ITEMS else [_marked(item) for item in answer]
    if isinstance(answer, dict):
        return {name: _marked(value) for name, value in answer.items()}
    if isinstance(answer, msgspec.Struct):
        fields = {name: getattr(answer, name) for name in answer.__struct_fields__}
        nested = {name: _marked(value) for name, value in fields.items() if isinstance(value, list | dict)}
        return msgspec.structs.replace(answer, **nested) if nested else answer
    return answer


def joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts that are long enough to be sent one by one."""
    some: list[bytes] = []
    length = 0
    for part in parts:
        some.append(part)
        length += len(part)
        if length >= _PART:
            yield b"".join(some)
            some, length = [], 0
    if some:
        yield b"".join(some)
