import gzip
import time
import zlib

import pytest

from api.compression import check_encoding, decompressed
from api.errors import BodyTooLarge, InvalidRequest, UnreadEncoding

_BODY = b'{"query": "a", "documents": ["b"]}' * 100


def _raw(body: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(body) + deflating.flush()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", _BODY),
        ("identity", _BODY),
        ("gzip", gzip.compress(_BODY, mtime=0)),
        ("GZip", gzip.compress(_BODY[:50], mtime=0) + gzip.compress(_BODY[50:], mtime=0)),
        ("x-gzip", gzip.compress(_BODY, mtime=0)),
        ("deflate", zlib.compress(_BODY)),
        ("deflate", _raw(_BODY)),
    ],
)
def test_bodies_are_read_as_they_were(encoding: str, sent: bytes) -> None:
    assert decompressed(sent, check_encoding(encoding), len(_BODY)) == _BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnreadEncoding, match="must be gzip or deflate"):
        check_encoding(encoding)


@pytest.mark.parametrize(
    "sent",
    [_BODY, gzip.compress(_BODY, mtime=0)[:-9], gzip.compress(_BODY, mtime=0) + b"x", zlib.compress(_BODY)],
    ids=["plain", "cut", "followed", "deflate"],
)
def test_what_is_not_gzip_is_refused(sent: bytes) -> None:
    with pytest.raises(InvalidRequest, match="The body is not gzip"):
        decompressed(sent, "gzip", 10_000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_never_goes_off(encoding: str) -> None:
    bomb = b"\0" * 2**26
    sent = gzip.compress(bomb, mtime=0) if encoding == "gzip" else zlib.compress(bomb)
    with pytest.raises(BodyTooLarge):
        decompressed(sent, encoding, 2**20)
    with pytest.raises(BodyTooLarge):
        decompressed(gzip.compress(b"\0" * 2**19) * 3, "gzip", 2**20)


@pytest.mark.parametrize(("encoding", "empty"), [("gzip", gzip.compress(b"")), ("deflate", b"\x03\x00")])
def test_members_of_nothing_keep_nobody_waiting(encoding: str, empty: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest, match="100 parts at most"):
        decompressed(empty * 500_000, encoding, 2**25)
    assert time.process_time() - began < 5
