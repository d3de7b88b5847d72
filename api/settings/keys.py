"""Reads the server's keys, which have no flag: others on the machine can read a command line."""

import re
from collections.abc import Mapping

from .errors import SettingsError
from .flags import listed
from .values import content

API_KEY = "SCORERT_API_KEY"


def key_file(path: str) -> frozenset[str]:
    """The keys of a file, one a line. Raises `ValueError`."""
    lines = [line.strip(" \t\r") for line in content(path).split("\n")]
    keys = {line: number for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    for key, number in keys.items():
        _check_key(key, f"line {number} of {path}")
    if not keys:
        raise ValueError(f"{path} has no key: write one a line")
    return frozenset(keys)


def keys_of_variable(environment: Mapping[str, str]) -> frozenset[str]:
    """The keys of `API_KEY`, separated by commas. Raises `SettingsError`."""
    text = environment.get(API_KEY)
    if not text:
        return frozenset()
    keys = listed(text)
    try:
        for number, key in enumerate(keys, 1):
            _check_key(key, f"key {number}")
    except ValueError as error:
        raise SettingsError(f"{API_KEY}: {error}.") from None
    if not keys:
        raise SettingsError(f"{API_KEY} has no key: give it one or more, separated by commas, or unset it.")
    return frozenset(keys)


def _check_key(key: str, where: str) -> None:
    """The key itself does not get into the error, which is logged."""
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError(f"{where} has white space or characters that are not ASCII, which a key cannot have")
