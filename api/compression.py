"""Reads bodies that clients compress, within the size that a body may have."""

import zlib

from .errors import BodyTooLarge, InvalidRequest, UnreadEncoding

_GZIP = 16 + zlib.MAX_WBITS
_FORMATS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""zlib's numbers for what a name may mean: some senders of "deflate" leave zlib's header out."""

_MEMBERS = 100
"""How many parts a body may be compressed in. Each costs a copy of what follows it, and senders make one."""


def check_encoding(encoding: str) -> str:
    """A header's `Content-Encoding` in lower case, "" for none. Raises `UnreadEncoding` for another than these."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return ""
    if name not in _FORMATS:
        raise UnreadEncoding(encoding)
    return name


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """A body of a checked encoding as it was before. Nothing beyond `limit` bytes is ever made.

    Raises `BodyTooLarge`, and `InvalidRequest` for what is not of that encoding or ends too soon.
    """
    if not encoding:
        return body
    for wbits in _FORMATS[encoding]:
        try:
            return _inflated(body, wbits, limit)
        except zlib.error:
            continue
    raise InvalidRequest(
        f"The body is not {encoding} from its beginning to its end, in {_MEMBERS} parts at most: compress it as one.",
        "body",
    )


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    """All members of a body, one after another. Raises `zlib.error` and `BodyTooLarge`."""
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == _MEMBERS:
            raise zlib.error("it has too many members")
        member = zlib.decompressobj(wbits)
        parts.append(member.decompress(body, limit + 1 - size))
        size += len(parts[-1])
        if size > limit:
            raise BodyTooLarge(limit)
        if not member.eof:
            raise zlib.error("it ends too soon")
        body = member.unused_data
    return b"".join(parts)
