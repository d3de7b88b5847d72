"""Bounds the values of a body before they are decoded, and encodes answers a part at a time.

Decoder and encoder hold the interpreter's lock, so that nothing else is answered meanwhile, and a body of 30 MB may
have ten million lists.
"""

from typing import Any

import msgspec

from ..errors import InvalidRequest
from ..limits import Limits

# Lists and objects of a body, and more where a request may have very many documents: some 20 for each, in parts. Some
# 50 ms for the decoder. A choice.
_CONTAINERS = 200_000
_FOR_EACH_DOCUMENT = 20
# Items of a list that are encoded at a time, some 10 ms of long embeddings: a choice.
_ITEMS = 128


def require_few_values(body: bytes, limits: Limits) -> None:
    """Raises `InvalidRequest` for a body with more lists, objects and token ids than a request within limits has."""
    containers = max(_CONTAINERS, _FOR_EACH_DOCUMENT * limits.max_documents)
    values = limits.max_request_tokens + containers
    if _opened(body) <= containers and body.count(b",") <= values:
        return
    opened = commas = 0
    # What strings hold does not count.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    start = 0
    while start < len(bare) and opened <= containers and commas <= values:
        end = bare.find(b'"', start)
        end = len(bare) if end < 0 else end
        opened += bare.count(b"[", start, end) + bare.count(b"{", start, end)
        # A string is a value, too.
        commas += max(1, bare.count(b",", start, end))
        closing = bare.find(b'"', end + 1)
        start = len(bare) if closing < 0 else closing + 1
    if opened > containers or commas > values:
        what, most = ("lists and objects", containers) if opened > containers else ("values", values)
        raise InvalidRequest(
            f"The body has more than {most:,} {what}, the most it may have: send fewer texts or tokens at a time.",
            "body",
        )


def encoded(answer: object) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(_in_parts(answer))


def _opened(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _in_parts(answer: Any) -> Any:
    """An answer whose long lists are JSON already."""
    if isinstance(answer, list):
        if len(answer) <= _ITEMS:
            return [_in_parts(item) if isinstance(item, list) else item for item in answer]
        parts = [
            msgspec.json.encode([_in_parts(item) if isinstance(item, list) else item for item in some])[1:-1]
            for some in (answer[start : start + _ITEMS] for start in range(0, len(answer), _ITEMS))
        ]
        return msgspec.Raw(b"[" + b",".join(parts) + b"]")
    if isinstance(answer, msgspec.Struct):
        fields = {name: getattr(answer, name) for name in answer.__struct_fields__}
        long = {name: value for name, value in fields.items() if isinstance(value, list) and len(value) > _ITEMS}
        return msgspec.structs.replace(answer, **{name: _in_parts(value) for name, value in long.items()})
    return answer
