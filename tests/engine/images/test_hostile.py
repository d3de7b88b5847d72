"""Files that are made to harm end in one sentence, quickly and in little memory."""

import io
import json
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import InvalidInput
from engine.images.containers import gif_frames, jpeg_scans, other_format, tiff_frames
from engine.images.decode import MAX_SCANS, decode
from engine.images.image import Image

from .pictures import picture, saved

FORMATS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]
FILES = {format: saved(picture("RGB", 40, 50, 0), format) for format in FORMATS}
TOO_MANY = "The image has more than 50,000,000 pixels, the most accepted: send a smaller one."
DAMAGED = "The image cannot be decoded: its file is damaged or cut short, so send it anew."
NO_IMAGE = "The image is no PNG, JPEG, WEBP, GIF, BMP or TIFF file: send one of those."


def refusal(file: bytes) -> str | None:
    """The sentence that a file is refused with; None for one that is decoded. Nothing else may come of it."""
    try:
        assert isinstance(decode(file), Image)
    except InvalidInput as error:
        return str(error)
    return None


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def gif(width: int, height: int, frames: int = 1) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def jpeg(width: int, height: int) -> bytes:
    """A sound JPEG that says that it is larger."""
    file = FILES["JPEG"]
    at = file.index(b"\xff\xc0") + 5
    return file[:at] + struct.pack(">HH", height, width) + file[at + 4 :]


def webp(width: int, height: int) -> bytes:
    """A lossless WebP that says another size."""
    file = saved(picture("RGB", 40, 50, 0), "WEBP", lossless=True)
    sides = struct.pack("<I", (width - 1) | (height - 1) << 14 | int.from_bytes(file[21:25], "little") >> 28 << 28)
    return file[:21] + sides + file[25:]


def tiff(*entries: tuple[int, int, int], next: int = 0) -> bytes:
    """A TIFF of one directory: entries of tag, type and value."""
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", next)


def tiff_of(width: int, height: int, *more: tuple[int, int, int], next: int = 0) -> bytes:
    deflate, grey = (259, 3, 8), (262, 3, 1)
    return tiff((256, 4, width), (257, 4, height), (258, 3, 8), deflate, grey, (277, 3, 1), *more, next=next)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    file = saved(PIL.Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    scan = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + scan * count + file[-2:]


BOMB = zlib.compress(bytes(100 * 2**20), 9)

HOSTILE = {
    "png of 65,535 x 65,535": (png(65_535, 65_535, png_chunk(b"IDAT", zlib.compress(b""))), TOO_MANY),
    "png of 9,000 x 9,000": (png(9000, 9000), TOO_MANY),
    "png of 2,147,483,647 x 1": (png(2**31 - 1, 1), TOO_MANY),
    "bmp of 65,535 x 65,535": (bmp(65_535, 65_535), TOO_MANY),
    "gif of 65,535 x 65,535": (gif(65_535, 65_535), TOO_MANY),
    "jpeg of 65,500 x 65,500": (jpeg(65_500, 65_500), TOO_MANY),
    "webp of 16,383 x 16,383": (webp(16_383, 16_383), TOO_MANY),
    "webp of 9,000 x 9,000": (webp(9000, 9000), TOO_MANY),
    "tiff of 65,535 x 65,535": (tiff_of(65_535, 65_535, (273, 4, 8), (279, 4, 8)), TOO_MANY),
    "tiff of a tile of 60,000 x 60,000": (
        tiff_of(16, 16, (322, 4, 60_000), (323, 4, 60_000), (324, 4, 8), (325, 4, 8)),
        TOO_MANY,
    ),
    "png that holds too little": (png(3000, 3000, png_chunk(b"IDAT", zlib.compress(bytes(100)))), DAMAGED),
    "png of no pixels": (png(0, 0, png_chunk(b"IDAT", zlib.compress(b""))), None),
    "png that holds too much": (png(4, 4, png_chunk(b"IDAT", BOMB)), None),
    "png with a text that swells": (png(4, 4, png_chunk(b"zTXt", b"a\0\0" + BOMB)), DAMAGED),
    "png with a colour profile that swells": (png(4, 4, png_chunk(b"iCCP", b"a\0\0" + BOMB)), DAMAGED),
    "bmp that holds too little": (bmp(3000, 3000), DAMAGED),
    "jpeg that holds too little": (jpeg(3000, 3000), None),  # its end is marked: libjpeg paints the rest grey
    "gif of 10,000 frames": (
        gif(1, 1, 10_000),
        "The image has more than 1,000 frames, the most accepted: send one frame.",
    ),
    "gif of a million frames": (
        gif(1, 1, 1_000_000),
        "The image has more than 1,000 frames, the most accepted: send one frame.",
    ),
    "tiff in a circle": (
        tiff_of(1, 1, (273, 4, 8), (279, 4, 1), next=8),
        "The image has more than 1,000 frames, the most accepted: send one frame.",
    ),
    "jpeg of 10,000 scans": (scans(10_000), "The image has more than 64 scans: save it as a baseline JPEG."),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1" height="1"/></svg>', NO_IMAGE),
    "svg with a head": (b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "a">]><svg/>', NO_IMAGE),
    "html": (b"<!doctype html><title>a</title>", NO_IMAGE),
    "pdf": (b"%PDF-1.7\n%%EOF", NO_IMAGE),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", NO_IMAGE),
    "portable pixmap": (b"P6 1 1 255\n\0\0\0", NO_IMAGE),
    "icon": (saved(picture("RGB", 16, 16, 0), "ICO"), NO_IMAGE),
    "archive": (archive(), NO_IMAGE),
    "text": (b"a cat", NO_IMAGE),
    "zeros": (bytes(1000), NO_IMAGE),
    "png and archive": (
        FILES["PNG"] + archive(),
        "The image could pass for a ZIP archive, too: save it as an image alone.",
    ),
    "gif and archive": (
        FILES["GIF"] + archive(),
        "The image could pass for a ZIP archive, too: save it as an image alone.",
    ),
    "jpeg and archive": (
        FILES["JPEG"] + archive(),
        "The image could pass for a ZIP archive, too: save it as an image alone.",
    ),
    "png and pdf": (
        png(1, 1, png_chunk(b"tEXt", b"a\0%PDF-1.4"), png_chunk(b"IDAT", zlib.compress(bytes(4)))),
        "The image could pass for a PDF document, too: save it as an image alone.",
    ),
    "nothing": (b"", "The image is empty: send the bytes of its file."),
    "too many bytes": (
        bytes(20 * 2**20 + 1),
        "The image has 20,971,521 bytes, and at most 20,971,520 are accepted: send a smaller one.",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_in_one_sentence_within_a_second(name):
    file, sentence = HOSTILE[name]
    start = time.process_time()
    said = refusal(file)
    assert time.process_time() - start < 1
    if sentence is not None:
        assert said == sentence


def test_it_takes_little_memory(tmp_path: Path):
    """In a process of its own, since memory at its peak is told for a whole process."""
    for number, (file, _) in enumerate(HOSTILE.values()):
        (tmp_path / f"{number:03}").write_bytes(file)
    code = """
import json, pathlib, resource, sys
from engine import InvalidInput
from engine.images.decode import decode
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
decode(pathlib.Path(sys.argv[2]).read_bytes())
grown = []
for file in files:
    before = peak()
    try:
        decode(file)
    except InvalidInput:
        pass
    grown.append(peak() - before)
print(json.dumps(grown))
"""
    sound = tmp_path / "sound"
    sound.mkdir()
    (sound / "png").write_bytes(FILES["PNG"])
    files = tmp_path / "files"
    files.mkdir()
    for path in tmp_path.glob("[0-9]*"):
        path.rename(files / path.name)
    done = subprocess.run(
        [sys.executable, "-c", code, files, sound / "png"], capture_output=True, text=True, check=True
    )
    grown = dict(zip(HOSTILE, json.loads(done.stdout), strict=True))
    # Kilobytes. The largest say 3,000 x 3,000 pixels, which are accepted and take up to 8 bytes each.
    assert all(more < 100_000 for more in grown.values()), grown


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_short_is_a_picture_or_a_sentence(format):
    file = FILES[format]
    for size in range(1, len(file), max(1, len(file) // 200)):
        assert refusal(file[:size]) in (None, DAMAGED, NO_IMAGE)
    assert refusal(file[: len(file) // 2]) == DAMAGED


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*FILES.values(), gif(3, 3, 5), webp(50, 40), scans(2), tiff_of(1, 1, (273, 4, 8), (279, 4, 1))]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_a_damaged_file_is_a_picture_or_a_sentence(file, damages):
    damaged = bytearray(file)
    for place, value in damages:
        damaged[int(place**3 * (len(file) - 1))] = value  # headers, at the beginning, do most harm
    said = refusal(bytes(damaged))
    assert said is None or (said.endswith(".") and "\n" not in said)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\xff\xd8"]), st.binary(max_size=60))
def test_counting_never_fails(head, tail):
    data = head + tail
    for count in (gif_frames, tiff_frames, jpeg_scans):
        assert 0 <= count(data, 3) <= 4
    assert other_format(data) in (None, "PDF document", "ZIP archive")


def test_counts_are_those_of_the_file():
    assert gif_frames(gif(1, 1, 7), 100) == 7
    assert gif_frames(gif(1, 1, 7), 5) == 6
    frames = [picture("RGB", 8, 8, seed) for seed in range(4)]
    for format, count in (("GIF", gif_frames), ("TIFF", tiff_frames)):
        file = saved(frames[0], format, save_all=True, append_images=frames[1:])
        assert count(file, 100) == 4
    assert tiff_frames(saved(frames[0], "TIFF", big_tiff=True), 100) == 1
    assert jpeg_scans(FILES["JPEG"], MAX_SCANS) == 1
    assert jpeg_scans(scans(10), MAX_SCANS) == jpeg_scans(scans(0), MAX_SCANS) + 10
    thumbnail = saved(frames[0], "JPEG", comment=scans(100))
    assert jpeg_scans(thumbnail, MAX_SCANS) == 1
    assert jpeg_scans(FILES["JPEG"] + scans(100), MAX_SCANS) == 1, "what follows the end is not decoded"
