"""Pictures are decoded to the pixels that transformers and vLLM see: upright, on white, RGB."""

import io
import subprocess
import sys

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from transformers.image_transforms import convert_to_rgb

from engine import Image, InvalidInput
from engine.images.decode import ImageLimits, decode, from_pillow

from .pictures import MODES, picture, pictures, saved


def opened(file: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(file))


def of_transformers(image: PIL.Image.Image) -> np.ndarray:
    return convert_to_rgb(image, return_numpy=True)


@settings(max_examples=200, deadline=None)
@given(pictures)
def test_pictures_of_every_mode_become_what_transformers_makes_of_them(image):
    want = of_transformers(image)
    assert np.array_equal(from_pillow(image).pixels, want)
    if image.mode != "CMYK":
        file = saved(image, "PNG")
        assert np.array_equal(decode(file).pixels, of_transformers(opened(file)))


PALETTES = {mode for mode in MODES if mode.startswith("P")}
WRITTEN = {
    "PNG": set(MODES) - {"CMYK"},
    "JPEG": {"RGB", "L", "1", "CMYK"},
    "WEBP": set(MODES),
    "GIF": set(MODES) - {"CMYK"},
    "BMP": {"RGB", "RGBA", "L", "1"} | PALETTES,
    "TIFF": set(MODES),
}
"""The modes that Pillow writes each format in."""


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format in WRITTEN for mode in sorted(WRITTEN[format])])
def test_every_format_is_decoded_in_the_modes_it_has(format, mode):
    for seed in range(6):
        file = saved(picture(mode, 31, 20, seed), format)
        assert np.array_equal(decode(file).pixels, of_transformers(opened(file)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(format, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = saved(picture("RGB", 16, 24, 0), format, exif=exif)
    image = opened(file)
    assert decode(file).pixels.shape == ((16, 24, 3) if orientation < 5 else (24, 16, 3))
    assert np.array_equal(decode(file).pixels, np.asarray(PIL.ImageOps.exif_transpose(image)))
    if format != "TIFF":  # Pillow turns those itself
        assert np.array_equal(from_pillow(image).pixels, np.asarray(opened(file))), "an image of Pillow's is as it is"


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"\xff" * 40])
def test_damaged_metadata_leaves_a_picture_as_it_is(exif):
    drawn = picture("RGB", 16, 24, 0)
    file = saved(drawn, "PNG", exif=exif)
    assert np.array_equal(decode(file).pixels, np.asarray(drawn))


def test_transparency_lies_on_white():
    clear = PIL.Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    assert (decode(saved(clear, "PNG")).pixels == 255).all()


@pytest.mark.parametrize(("format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
def test_the_first_frame_counts(format, options):
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    file = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert (decode(file).pixels == [255, 0, 0]).all()
    assert (decode(file, ImageLimits(max_frames=3)).pixels == [255, 0, 0]).all()
    with pytest.raises(InvalidInput, match="more than 2 frames, the most accepted: send one frame"):
        decode(file, ImageLimits(max_frames=2))


def test_a_jpeg_with_a_second_picture_is_a_jpeg():
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode(file, ImageLimits(formats=("JPEG",))) == from_pillow(opened(file))
    with pytest.raises(InvalidInput, match="more than 1 frames"):
        decode(file, ImageLimits(max_frames=1))


def test_a_jpeg_of_scans_is_decoded():
    file = saved(picture("RGB", 40, 40, 2), "JPEG", progressive=True)
    assert np.array_equal(decode(file).pixels, np.asarray(opened(file)))


@pytest.mark.parametrize(("mode", "format", "depth"), [
    ("RGB", "JPEG", 24), ("L", "JPEG", 8), ("CMYK", "JPEG", 32), ("RGBA", "PNG", 32), ("1", "PNG", 1), ("P", "GIF", 8),
    ("I;16", "PNG", 16),
])  # fmt: skip
def test_what_a_file_was_is_remembered(mode, format, depth):
    image = decode(saved(picture(mode, 5, 7, 0), format))
    assert (image.format, image.bit_depth) == (format, depth)
    assert image == Image(image.pixels), "it says nothing of the pixels"


def test_limits_are_met_exactly():
    file = saved(picture("RGB", 10, 20, 0), "PNG")
    assert decode(file, ImageLimits(max_bytes=len(file), max_pixels=200, formats=("PNG",))).pixels.shape == (10, 20, 3)
    with pytest.raises(InvalidInput, match=rf"has {len(file):,} bytes, and at most {len(file) - 1:,} are accepted"):
        decode(file, ImageLimits(max_bytes=len(file) - 1))
    with pytest.raises(InvalidInput, match="has more than 199 pixels, the most accepted: send a smaller one"):
        decode(file, ImageLimits(max_pixels=199))
    with pytest.raises(InvalidInput, match="The image is no JPEG, GIF or BMP file: send one of those"):
        decode(file, ImageLimits(formats=("JPEG", "GIF", "BMP")))
    with pytest.raises(InvalidInput, match="The image is no JPEG file: send one of those"):
        decode(file, ImageLimits(formats=("JPEG",)))


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_bytes": 0}, "at least 1"),
        ({"max_frames": -1}, "at least 1"),
        ({"max_pixels": 178_956_971}, "at most 178,956,970"),
        ({"formats": ()}, "not none"),
        ({"formats": ("PNG", "EPS")}, "not EPS"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits, sentence):
    with pytest.raises(ValueError, match=sentence):
        ImageLimits(**limits)


def test_an_empty_picture_is_refused():
    with pytest.raises(InvalidInput, match=r"^The image is empty, 0 x 3 pixels: use another\."):
        from_pillow(PIL.Image.new("RGB", (0, 3)))


def test_text_needs_no_pillow():
    code = "import sys, engine, engine.images.decode, engine.images.preprocessing; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
