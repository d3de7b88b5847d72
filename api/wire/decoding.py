"""Decodes a request's bytes to its struct, and puts the decoder's complaint into a sentence."""

import codecs
import functools
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

import msgspec

from engine import without_surrogates

from ..errors import InvalidField, InvalidRequest
from .lax import inside, members, relaxed

# The bytes that one call decodes, which other threads wait for. A choice.
_PIECE = 2**20

_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}


def decode(body: bytes, kind: Any) -> Any:
    """A body as its type. Raises `InvalidRequest`, which names the field or the position in the body.

    A null where a field has a default means that default, since clients send all fields that they know; numbers and
    truth values may be written as `lax` has them. Bodies in UTF-16 or UTF-32, and those that begin with a byte order
    mark, are read, too, as vLLM reads them.
    """
    if not body:
        raise InvalidRequest("The body is empty: send a JSON object.", "body")
    try:
        try:
            return _read(body, kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            mended = _mended(body)
            if mended == body:
                raise
            body = mended
            return _read(body, kind)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error), kind) from None
    except msgspec.DecodeError as error:
        raise _invalid_json(str(error), len(body)) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8: encode its JSON as UTF-8.", "body") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply: send the fields of this path alone.", "body") from None


def fields_of(body: bytes) -> dict[str, msgspec.Raw]:
    """What a body's fields are called, and their bytes. Raises `InvalidRequest` where it is no object."""
    fields: dict[str, msgspec.Raw] = decode(body, dict[str, msgspec.Raw])
    return fields


def _read(body: bytes, kind: Any) -> Any:
    """A body as its type: strictly, which is quicker, if that will do. Raises what msgspec raises."""
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError:
        try:
            values = msgspec.json.decode(body)
        except msgspec.ValidationError:
            raise _out_of_range(body) from None
        return msgspec.convert(relaxed(values, members(kind)), kind)


def _out_of_range(body: bytes) -> InvalidField:
    """Names the field that has a number which no decoder takes, as 1e999 or one of five thousand digits."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return InvalidField("The body must be an object.", "body")
    for name, value in fields.items():
        try:
            msgspec.json.decode(value)
        except msgspec.ValidationError:
            return InvalidField(f"{name} has a number that is out of range: send a smaller one.", f"body.{name}")
    raise AssertionError("one of them is why the body was not decoded")


def _mended(body: bytes) -> bytes:
    """A body that no decoder takes, in UTF-8 and without halves of surrogate pairs."""
    encoding = json.detect_encoding(body)
    if encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            body = _in_utf8(body, encoding)
    return without_surrogates(body)


def _in_utf8(body: bytes, encoding: str) -> bytes:
    """A body of another encoding, some at a time. Raises `UnicodeDecodeError`."""
    decoder = codecs.getincrementaldecoder(encoding)("strict" if encoding == "utf-8-sig" else "replace")
    parts = [decoder.decode(body[start : start + _PIECE]).encode() for start in range(0, len(body), _PIECE)]
    return b"".join([*parts, decoder.decode(b"", True).encode()])


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _invalid_field(complaint: str, kind: Any) -> InvalidField:
    """`complaint` is msgspec's, such as "Expected `int | null`, got `str` - at `$.top_n`"."""
    complaint, _, path = complaint.partition(" - at `$.")
    path = path.removesuffix("`")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", complaint):
        path, predicate = f"{path}.{missing[1]}".lstrip("."), "is missing: add it"
    elif mismatch := re.fullmatch(r"Expected `(.+)`, got `(\w+)`", complaint):
        # A field that may be null may be left out, which says it better.
        wanted = [kind for kind in mismatch[1].split(" | ") if kind != "null"] or ["null"]
        predicate = f"must be {_alternatives([_in_words(kind) for kind in wanted])}, not {_in_words(mismatch[2])}"
    elif complaint.startswith("Invalid enum value") and (choices := _choices(kind, path)):
        predicate = f"must be {_alternatives(choices)}"
    elif least := re.fullmatch(r"Expected `\w+` >= (\d+)", complaint):
        predicate = f"must be at least {least[1]}"
    elif unknown := re.fullmatch(r"Object contains unknown field `(\w+)`", complaint):
        path, predicate = f"{path}.{unknown[1]}".lstrip("."), "is not known here: leave it out"
    elif length := re.fullmatch(r"Expected `array` of length >= (\d+)", complaint):
        predicate = f"has too few elements: give it at least {length[1]}"
    else:
        predicate = complaint
    field = re.match(r"\w*", path)
    parameter = f"body.{field[0]}" if field and field[0] else "body"
    return InvalidField(f"{path or 'The body'} {predicate}.", parameter)


def _in_words(kind: str) -> str:
    """What msgspec calls a type, in words where we have them: another version of it may have more types."""
    return _WORDS.get(kind, f"of type {kind}")


def _invalid_json(complaint: str, size: int) -> InvalidRequest:
    """`complaint` is msgspec's, such as "JSON is malformed: invalid character (byte 4)"."""
    found = re.search(r"\(byte (\d+)\)", complaint)
    position = int(found[1]) if found else size
    return InvalidRequest(f"The body is not valid JSON from byte {position} on.", f"body.{position}")


def _choices(kind: Any, path: str) -> list[str]:
    """What may stand at a path of the body, "inputs[0].kind" say, where its type has literals."""
    types: Sequence[Any] = members(kind)
    for field, _ in re.findall(r"(\w+)|(\[[^]]*\])", path):
        types = [member for outer in types for member in members(inside(outer, field))]
    return [repr(value) for literal in types if get_origin(literal) is Literal for value in get_args(literal)]


def _alternatives(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
