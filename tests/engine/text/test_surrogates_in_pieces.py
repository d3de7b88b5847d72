"""Bodies are mended in pieces, wherever these are cut."""

import random
import re

import pytest

from engine.text import surrogates

_TOGETHER = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


@pytest.mark.parametrize("size", [14, 15, 17, 20, 32])
def test_no_cut_changes_what_comes_of_it(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surrogates, "_PIECE", size)
    drawn = random.Random(0)
    words = [
        b"\\ud83d",
        b"\\ude00",
        b"\\\\",
        b"\\n",
        b"\\u00e9",
        b"ud83d",
        b'\\"',
        b"a",
        "é".encode(),
        b"\\uD83D\\uDE00",
    ]
    for _ in range(5000):
        json = b"".join(drawn.choices(words, k=drawn.randint(0, 20)))
        together = _TOGETHER.sub(lambda found: rb"\ufffd" if found[1] else found[0], json)
        assert surrogates.without_surrogates(json) == together
