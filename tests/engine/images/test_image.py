"""A picture's digest tells it from others, whatever file it came in."""

import numpy as np
import pytest

from engine import InvalidInput
from engine.images.decode import decode, from_pillow
from engine.images.image import Image

from .pictures import picture, saved


def test_a_digest_does_not_depend_on_the_files_format():
    drawn = picture("RGB", 30, 40, 0)
    lossless = [saved(drawn, "PNG"), saved(drawn, "BMP"), saved(drawn, "TIFF"), saved(drawn, "WEBP", lossless=True)]
    images = [decode(file) for file in lossless] + [from_pillow(drawn), Image(np.asarray(drawn))]
    assert len(set(images)) == len({image.digest for image in images}) == 1
    assert images[0] == images[1]
    assert (images[0].height, images[0].width) == (30, 40)


def test_a_digest_tells_pixels_and_sizes_apart():
    pixels = np.zeros((4, 6, 3), np.uint8)
    other = pixels.copy()
    other[3, 5, 2] = 1
    images = [Image(pixels), Image(other), Image(pixels.reshape(6, 4, 3)), Image(pixels.reshape(24, 1, 3))]
    assert len({image.digest for image in images}) == 4
    assert images[0] != images[1]


def test_a_picture_does_not_change_with_the_array_it_came_from():
    pixels = np.zeros((2, 2, 3), np.uint8)
    image = Image(pixels)
    pixels[:] = 9
    assert not image.pixels.any()
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0, 0] = 1


def test_an_array_that_nobody_can_change_is_not_copied():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels.flags.writeable = False
    assert np.shares_memory(Image(pixels).pixels, pixels)


def test_a_slice_has_the_digest_of_its_pixels():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert Image(pixels[::2, ::-1]) == Image(np.ascontiguousarray(pixels[::2, ::-1]))


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)],
)
def test_other_arrays_are_refused(array):
    with pytest.raises(InvalidInput, match=r"A picture is an array of uint8 \[height, width, 3\], not "):
        Image(array)
