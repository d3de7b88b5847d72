"""Reads the bytes of images that stand in texts themselves: data URLs (RFC 2397) and base64."""

import base64
import binascii

from ..errors import InvalidInput


def data_url_bytes(url: str) -> bytes:
    """The bytes of a `data:` URL, whatever type it says they have. Raises `InvalidInput` where they are not base64."""
    comma = url.find(",")
    if comma < 0:
        raise InvalidInput("The data URL has no comma: write data:image/png;base64, and the image in base64 after it.")
    _, semicolon, encoding = url[:comma].rpartition(";")
    if not semicolon or encoding.strip().lower() != "base64":
        raise InvalidInput("The data URL is not in base64: write ;base64 before its comma.")
    return base64_bytes(url[comma + 1 :])


def base64_bytes(text: str) -> bytes:
    """The bytes of strict base64: with its padding, and without line breaks. Raises `InvalidInput`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # the second is of characters beyond ASCII
        raise InvalidInput(
            "The image's base64 cannot be read: write A-Z, a-z, 0-9, + and / alone, with = as padding and without "
            "line breaks."
        ) from None
