"""Bounds the values of a body before they are decoded.

The decoder holds the interpreter's lock, so that nothing else is answered meanwhile, and a body of 30 MB may have ten
million lists.
"""

from ..errors import InvalidRequest
from ..limits import Limits

# Lists and objects of a body, and more where a request may have very many documents: some 20 for each, in parts. Some
# 50 ms for the decoder. A choice.
_CONTAINERS = 200_000
_FOR_EACH_DOCUMENT = 20

# The bytes that one call counts in, which other threads wait for. A choice.
_PIECE = 2**20


def require_few_values(body: bytes, limits: Limits) -> None:
    """Raises `InvalidRequest` for a body with more lists, objects and token ids than a request within limits has."""
    containers = max(_CONTAINERS, _FOR_EACH_DOCUMENT * limits.max_documents)
    values = limits.max_request_tokens + containers
    if _count(body, b"[{", containers) <= containers and _count(body, b",", values) <= values:
        return
    opened = commas = 0
    # What strings hold does not count.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    start = 0
    while start < len(bare) and opened <= containers and commas <= values:
        end = bare.find(b'"', start)
        end = len(bare) if end < 0 else end
        if end - start > _PIECE:
            opened += _count(bare, b"[{", containers, start, end)
            commas += _count(bare, b",", values, start, end)
        else:
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


def _count(body: bytes, marks: bytes, most: int, start: int = 0, end: int | None = None) -> int:
    """How many of those bytes a part of the body has, or some number above `most`."""
    counted = 0
    end = len(body) if end is None else end
    for begin in range(start, end, _PIECE):
        counted += sum(body.count(mark, begin, min(begin + _PIECE, end)) for mark in marks)
        if counted > most:
            break
    return counted
