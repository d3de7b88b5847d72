import numpy as np
import pytest

from api.errors import ImagesFull
from api.media.held import HeldPixels, Holding
from engine import Image, InvalidInput


def image(pixels: int) -> Image:
    return Image(np.zeros((1, pixels, 3), np.uint8))


def test_what_all_hold_is_bounded() -> None:
    held = HeldPixels(10)
    one, other = Holding(held), Holding(held)
    one.add(image(6))
    other.add(image(4))
    with pytest.raises(
        ImagesFull, match=r"^The server is at work on images of 10 pixels, .* try again in 1 s\.$"
    ) as full:
        other.add(image(1))
    assert (full.value.status, full.value.headers) == (503, {"Retry-After": "1"})
    one.release()
    other.add(image(6))
    assert held.held == 10


def test_one_that_asks_for_too_much_need_not_try_again() -> None:
    held = HeldPixels(10)
    one, other = Holding(held), Holding(held)
    other.add(image(10))
    with pytest.raises(InvalidInput, match=r"^The images have more than 10 pixels together, .* send fewer or smaller"):
        one.add(image(11))
    assert held.held == 10


def test_what_is_released_holds_nothing_any_more() -> None:
    held = HeldPixels(10)
    one = Holding(held)
    one.add(image(6))
    one.release()
    one.release()
    one.add(image(6))
    assert held.held == 0
