"""Replaces halves of surrogate pairs in JSON, which RFC 8259 allows and which no text in UTF-8 can hold.

They come from programs that cut texts by UTF-16's units, in the middle of an emoji for one.
"""

import re

# A pair, half of one, or another escape, whose backslash may be the first of two.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def without_surrogates(json: bytes) -> bytes:
    """JSON in UTF-8 with U+FFFD for each half of a pair that stands alone, as decoders in other languages read it."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], json)
