"""Writes a host's name in the one way in which names are compared, resolved and checked against certificates."""

import re

import idna

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*({_LABEL})")
_MAX_LENGTH = 253

_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
"""A name that ends in one is an IPv4 address to some programs: 2130706433 and 0x7f.1 are 127.0.0.1 (URL Standard,
"ends in a number")."""


def host_name(text: str) -> str:
    """A host's name in lower case and ASCII (IDNA 2008), without the dot at its end.

    Raises `ValueError` for everything else that may stand in a URL's authority: addresses, ports, user names.
    """
    try:
        name = text.lower() if text.isascii() or len(text) > _MAX_LENGTH else idna.encode(text.lower()).decode()
    except idna.IDNAError:
        name = ""
    name = name.removesuffix(".")
    match = _NAME.fullmatch(name)
    if match is None or len(name) > _MAX_LENGTH or _NUMBER.fullmatch(match[1]):
        raise ValueError(f"{text!r} is not a host's name such as images.example.com, without a port")
    return name
