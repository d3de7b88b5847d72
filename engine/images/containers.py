"""Reads what a file of pictures holds without decoding it: frames, scans, and other formats it could pass for."""

import io
import re
import zipfile
from struct import error, unpack_from

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""A JPEG marker that is followed by its segment's length."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

_GIF_HEADER = 13
_GIF_EXTENSION, _GIF_IMAGE = 0x21, 0x2C

PDF_HEADER_WITHIN = 1024
"""Readers of PDF accept its header anywhere in the first 1024 bytes (ISO 32000-1, implementation note 13)."""


def other_format(data: bytes) -> str | None:
    """The format of archives or documents that a file could pass for, though it begins like a picture."""
    if b"%PDF-" in data[:PDF_HEADER_WITHIN]:
        return "PDF document"
    return "ZIP archive" if zipfile.is_zipfile(io.BytesIO(data)) else None


def jpeg_scans(data: bytes, most: int) -> int:
    """How many scans a JPEG has, counted up to `most + 1`.

    Each is a pass over all blocks, whatever its own size: a progressive file may order thousands in a few bytes each.
    """
    scans = at = 0
    while scans <= most and (marker := _MARKER.search(data, at)):
        code, at = data[marker.end() - 1], marker.end()
        if code == _END_OF_IMAGE:
            break
        scans += code == _START_OF_SCAN
        at += int.from_bytes(data[at : at + 2], "big")
    return scans


def gif_frames(data: bytes, most: int) -> int:
    """How many frames a GIF has, counted up to `most + 1`. Blocks are skipped by their sizes."""
    frames = 0
    try:
        at = _GIF_HEADER + _colours(data[10])
        while frames <= most and data[at] in (_GIF_EXTENSION, _GIF_IMAGE):
            if data[at] == _GIF_IMAGE:
                frames += 1
                at += 11 + _colours(data[at + 9])
            else:
                at += 2
            while size := data[at]:
                at += size + 1
            at += 1
    except IndexError:  # the file is cut short
        pass
    return frames


def tiff_frames(data: bytes, most: int) -> int:
    """How many directories a TIFF or BigTIFF chains, counted up to `most + 1`: a chain may be a circle."""
    order = "<" if data[:2] == b"II" else ">"
    frames = 0
    try:
        big = unpack_from(order + "H", data, 2)[0] == 43
        at, offset, count, entry = (8, "Q", "Q", 20) if big else (4, "I", "H", 12)
        while frames <= most and (start := unpack_from(order + offset, data, at)[0]):
            entries = unpack_from(order + count, data, start)[0]
            at = start + (8 if big else 2) + entries * entry
            frames += 1
    except (error, OverflowError):  # the file is cut short, or an offset points past it
        pass
    return frames


def _colours(flags: int) -> int:
    """The bytes of a GIF's colour table, by the flags that announce it."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
