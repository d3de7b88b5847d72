"""Finds where a text may be cut: between sentences, else between words, and never inside what people see as one
character."""

import re
from collections.abc import Iterator
from functools import cache

import tokenizers

# What ends a sentence: in scripts that put a space after it, in those that put none, and a line's end anywhere. The
# space goes with it. An abbreviation's full stop is taken for one, too, which costs a chunk nothing but length.
_SPACED_ENDS, _ENDS, _CLOSING = ".!?…؟۔।॥։።", "。！？｡．", "\"'”’»)]」』）】》"  # noqa: RUF001
_SENTENCE_END = re.compile(
    f"(?: [{_SPACED_ENDS}]+ [{re.escape(_CLOSING)}]* (?=\\s) | [{_ENDS}]+ [{re.escape(_CLOSING)}]* | \\n ) \\s*",
    re.VERBOSE,
)

# A character of more code points than this may be cut, such as a letter under hundreds of accents: a choice.
_CHARACTER = 64


def last_boundary(text: str, least: int, most: int) -> int:
    """The best place to end a piece of `text`, after `least` and not after `most`, which is no place past its end."""
    if most == len(text):
        return most
    for found in reversed([*_SENTENCE_END.finditer(text, least, most + 1)]):
        end = min(found.end(), most)
        if end > least and is_between_characters(text, end):
            return end
    for end in range(most, least, -1):
        if _is_between_words(text, end) and is_between_characters(text, end):
            return end
    return max((end for end in _between_characters(text, most) if least < end <= most), default=most)


def first_boundary(text: str, least: int, most: int) -> int:
    """The best place to begin a piece of `text`, at `least` or after it; `most` where there is none before."""
    for found in _SENTENCE_END.finditer(text, max(0, least - _CHARACTER), most):
        if least <= found.end() < most and is_between_characters(text, found.end()):
            return found.end()
    for start in range(least, most):
        if _is_between_words(text, start) and not text[start].isspace() and is_between_characters(text, start):
            return start
    return min((start for start in _between_characters(text, least) if least <= start < most), default=most)


def _is_between_words(text: str, place: int) -> bool:
    return place == 0 or text[place - 1].isspace() or text[place].isspace()


def is_between_characters(text: str, place: int) -> bool:
    """Whether what people see as one character ends before a place, and another begins."""
    # Most places are between two of ASCII's, and a line's end is space whether it has one character or two.
    if place in (0, len(text)) or (text[place - 1].isascii() and text[place].isascii()):
        return True
    return place in _between_characters(text, place)


def _between_characters(text: str, around: int) -> Iterator[int]:
    """The places between characters near one: extended grapheme clusters (Unicode's annex 29), as Oniguruma has them.

    The first of them may be inside one that began before.
    """
    first = max(0, around - _CHARACTER)
    for _, (start, _) in _clusters().pre_tokenize_str(text[first : around + _CHARACTER]):
        yield first + start


@cache
def _clusters() -> tokenizers.pre_tokenizers.Split:
    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"\X"), "isolated")
