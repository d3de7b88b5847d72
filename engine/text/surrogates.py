"""Replaces halves of surrogate pairs in JSON, which RFC 8259 allows and which no text in UTF-8 can hold.

They come from programs that cut texts by UTF-16's units, in the middle of an emoji for one.
"""

import re

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_ESCAPE = 6
"""The bytes of one of them."""

# The bytes that are looked at in one call, which other threads wait for: some 5 ms where all are escapes. A choice.
_PIECE = 2**16

_BACKSLASHES, _STAND_IN = b"\\\\", b"\xff\xff"


def without_surrogates(json: bytes) -> bytes:
    """JSON in UTF-8 with U+FFFD for each half of a pair that stands alone, as decoders in other languages read it.

    What is not UTF-8 stays as it is.
    """
    if b"\xff" in json:
        return json
    parts = []
    start = 0
    while start < len(json):
        piece = json[start : start + _PIECE]
        if start + len(piece) < len(json) and (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece = piece[:-1]
        # So that every backslash begins an escape of its own.
        piece = piece.replace(_BACKSLASHES, _STAND_IN)
        if start + len(piece) < len(json):
            piece = piece[: _cut(piece)]
        parts.append(_HALF.sub(rb"\\ufffd", piece).replace(_STAND_IN, _BACKSLASHES))
        start += len(piece)
    return b"".join(parts)


def _cut(piece: bytes) -> int:
    """The last place in what goes on after it that is inside no escape and no pair."""
    end = len(piece)
    last = piece.rfind(b"\\", max(0, end - _ESCAPE))
    if last < 0:
        return end
    before = last - _ESCAPE
    # The second half may be there in part.
    high = before >= 0 and re.match(_HIGH, piece[before:last])
    return (before if high else last) or end


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can hold a text: Python keeps bytes of names that are none as halves of pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
