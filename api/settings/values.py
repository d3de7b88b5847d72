"""Reads the text of a setting as its value. Each function raises `ValueError`, which says what the text is not."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from engine.command import legible

_MOST_DIGITS = 18
"""Whatever is counted, there are fewer."""


def whole(noun: str, least: int = 1, most: int | None = None) -> Callable[[str], int]:
    bounds = f"{least} or more" if most is None else f"{least} to {most}"

    def read(text: str) -> int:
        # Python reads no number of more than 4,300 digits.
        number = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None
        if number is None or number < least or (most is not None and number > most):
            raise ValueError(f"{text!r} is not {noun} ({bounds})")
        return number

    return read


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # What a thread can wait for; this refuses inf and nan too.
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"{text!r} is not a number of seconds (more than 0)")
    return seconds


def root_path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+/?", text, re.ASCII):
        raise ValueError(f"{text!r} is not a path such as /scorert")
    return text.rstrip("/")


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return read


def switch(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(f"{text!r} is not 1, true, yes, 0, false or no")
    return text.lower() in ("1", "true", "yes")


def name(text: str) -> str:
    if not text.strip():
        raise ValueError(f"{text!r} is no name")
    return text


def alias(text: str) -> tuple[str, str]:
    name, _, model = (part.strip() for part in legible(text).partition("="))
    if not name or not model:
        raise ValueError(f"{text!r} is not an alias (NAME=MODEL)")
    return name, model


def template(text: str) -> tuple[str | None, str]:
    """The name of the model, if there is one, and the text of its file."""
    name, sign, path = text.partition("=")
    if not sign or Path(text).is_file():
        return None, content(text)
    if not name.strip() or not path.strip():
        raise ValueError(f"{text!r} is neither FILE nor NAME=FILE")
    return legible(name).strip(), content(path.strip())


def origin(text: str) -> str:
    # Browsers send it in lower case and without a path, and it is compared as text.
    if text != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", text.lower()):
        raise ValueError(f"{text!r} is not an origin such as https://example.com, nor * for any")
    return text.lower()


def url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is not an http:// or https:// URL")
    return text


def path(text: str) -> Path:
    if not text:
        raise ValueError("'' is not a path")
    return Path(text)


def content(path: str) -> str:
    """The text of a file; editors of Windows begin it with a byte order mark."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as that") from None
