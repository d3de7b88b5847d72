"""Decodes the bytes of a picture within limits, and converts Pillow's images, as transformers and vLLM do.

Files come from strangers: everything that can be known from a header is checked before anything is decoded.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, get_args

import numpy as np

from ..errors import InvalidInput
from ..extras import needing
from .containers import gif_frames, jpeg_scans, other_format, tiff_frames
from .image import Image, Pixels

if TYPE_CHECKING:  # Pillow is imported by those who decode: text needs none
    import PIL.Image

Format: TypeAlias = Literal["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]
"""A file format, as Pillow names it."""

FORMATS: tuple[Format, ...] = get_args(Format)

MOST_PIXELS = 178_956_970
"""Pillow refuses larger pictures (twice its `MAX_IMAGE_PIXELS`), and vLLM too (`VLLM_MAX_IMAGE_PIXELS`)."""

MAX_SCANS = 64
"""Scans of a JPEG. Pillow writes 6 or 10; a scan of 59 bytes costs 25 ms in a picture of 36 million pixels."""

STRIP = 256
"""Rows converted at a time: a transparent picture would take 21 bytes a pixel at once."""

_TILE_WIDTH, _TILE_LENGTH = 322, 323


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What a file may cost.

    `max_pixels` is of one frame: 50 million hold an A4 page at 600 dots an inch. While it is decoded a pixel takes 8
    bytes, and 16 in a WebP. `max_frames` is of animations and of files with several pages; only the first frame is
    decoded.

    Raises `ValueError` for limits below 1, for more than `MOST_PIXELS`, and for unknown formats.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_frames: int = 1000
    formats: tuple[Format, ...] = FORMATS

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.max_frames) < 1:
            raise ValueError("the limits of a picture are at least 1")
        if self.max_pixels > MOST_PIXELS:
            raise ValueError(f"max_pixels is at most {MOST_PIXELS:,}: Pillow decodes no larger picture")
        unknown = sorted(set(self.formats) - set(FORMATS))
        if unknown or not self.formats:
            raise ValueError(f"formats are of {', '.join(FORMATS)}, not {', '.join(unknown) or 'none'}")


DEFAULT_LIMITS = ImageLimits()


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Image:
    """Decode a file's first frame, upright and on white.

    It is turned by its EXIF orientation, and transparency lies on white, as vLLM loads it (`multimodal/image.py`).
    Colours and depths are converted as `from_pillow` says. Raises `InvalidInput`, in one sentence, for what is not of
    `limits.formats`, exceeds a limit, is damaged, or could pass for an archive or a document, too.
    """
    _check_bytes(len(data), limits)
    with _opened(io.BytesIO(data), limits) as picture:
        _check(picture, data, limits)
        format, bit_depth = picture.format, _bit_depth(picture)
        picture.load()
        _turn_upright(picture)
        return Image(_rgb(picture), format, bit_depth)


def measure(file: BinaryIO, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """A picture's height and width as its file's header has them, before it is turned upright.

    Raises `InvalidInput` as `decode` does, as far as a header tells: its pixels may be damaged.
    """
    _check_bytes(file.seek(0, io.SEEK_END), limits)
    file.seek(0)
    with _opened(file, limits) as picture:
        _check_pixels(picture, limits)
        return picture.height, picture.width


def from_pillow(picture: "PIL.Image.Image") -> Image:
    """Convert an image of Pillow's as it stands: its EXIF orientation is not looked at.

    It becomes what `transformers.image_transforms.convert_to_rgb` makes of it: transparency lies on white, and values
    of more than 8 bits are clipped to 255. Raises `InvalidInput` where Pillow cannot convert or load it.
    """
    return Image(_rgb(picture), picture.format, _bit_depth(picture))


def _rgb(picture: "PIL.Image.Image") -> Pixels:
    if not (picture.width and picture.height):
        raise InvalidInput(f"The image is empty, {picture.width} x {picture.height} pixels: use another.")
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    try:
        for top in range(0, picture.height, STRIP):
            strip = picture.crop((0, top, picture.width, min(top + STRIP, picture.height)))
            pixels[top : top + STRIP] = _on_white(strip)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"The image cannot be converted to RGB ({error}): convert it before.") from None
    pixels.flags.writeable = False
    return pixels


def _on_white(picture: "PIL.Image.Image") -> Pixels:
    import PIL.Image

    if "A" in picture.getbands() or picture.info.get("transparency") is not None:
        white = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = PIL.Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


def _bit_depth(picture: "PIL.Image.Image") -> int:
    """The bits of a pixel, as Pillow's header has them."""
    import PIL.ImageMode

    mode = PIL.ImageMode.getmode(picture.mode)
    return len(mode.bands) * (1 if mode.typestr == "|b1" else 8 * np.dtype(mode.typestr).itemsize)


def _check_bytes(size: int, limits: ImageLimits) -> None:
    if not size:
        raise InvalidInput("The image is empty: send the bytes of its file.")
    if size > limits.max_bytes:
        raise InvalidInput(
            f"The image has {size:,} bytes, and at most {limits.max_bytes:,} are accepted: send a smaller one."
        )


@contextmanager
def _opened(file: BinaryIO, limits: ImageLimits) -> Iterator["PIL.Image.Image"]:
    """A file whose header was read. What Pillow refuses, now or in the block, becomes an `InvalidInput`."""
    with needing("Reading pictures", "cpu"):
        import PIL.Image

    try:
        with PIL.Image.open(file, formats=limits.formats) as picture:
            yield picture
    except InvalidInput:
        raise
    except PIL.UnidentifiedImageError:
        formats = (
            f"{', '.join(limits.formats[:-1])} or {limits.formats[-1]}" if limits.formats[1:] else limits.formats[0]
        )
        raise InvalidInput(f"The image is no {formats} file: send one of those.") from None
    except PIL.Image.DecompressionBombError:
        raise _too_many_pixels(limits) from None
    except Exception:  # Pillow's readers answer damaged files with a dozen kinds of exceptions
        raise InvalidInput("The image cannot be decoded: its file is damaged or cut short, so send it anew.") from None


def _check_pixels(picture: "PIL.Image.Image", limits: ImageLimits) -> None:
    tags = getattr(picture, "tag_v2", {})  # a TIFF's tile is decoded whole, however small the picture
    if max(picture.width * picture.height, tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0)) > limits.max_pixels:
        raise _too_many_pixels(limits)


def _check(picture: "PIL.Image.Image", data: bytes, limits: ImageLimits) -> None:
    """Refuse a file by its header and its blocks, before its pixels are decoded."""
    _check_pixels(picture, limits)
    match picture.format:
        case "GIF":
            frames = gif_frames(data, limits.max_frames)
        case "TIFF":
            frames = tiff_frames(data, limits.max_frames)
        case _:  # these tell the number in their header
            frames = getattr(picture, "n_frames", 1)
    if frames > limits.max_frames:
        raise InvalidInput(f"The image has more than {limits.max_frames:,} frames, the most accepted: send one frame.")
    if picture.format in ("JPEG", "MPO") and jpeg_scans(data, MAX_SCANS) > MAX_SCANS:
        raise InvalidInput(f"The image has more than {MAX_SCANS} scans: save it as a baseline JPEG.")
    if (other := other_format(data)) is not None:
        raise InvalidInput(f"The image could pass for a {other}, too: save it as an image alone.")


def _too_many_pixels(limits: ImageLimits) -> InvalidInput:
    return InvalidInput(f"The image has more than {limits.max_pixels:,} pixels, the most accepted: send a smaller one.")


def _turn_upright(picture: "PIL.Image.Image") -> None:
    """Turn a picture by its EXIF orientation, if that can be read."""
    import PIL.ImageOps

    with suppress(Exception):  # damaged metadata of a sound picture
        PIL.ImageOps.exif_transpose(picture, in_place=True)
