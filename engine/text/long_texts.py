"""Bounds the work on one long text: refuses what no limit of tokens can need, and cuts what is truncated anyway.

A text that is truncated is read as far as its first tokens, or its last, are certain to be those of the whole. How many
characters that takes cannot be told ahead: a tokenizer may drop characters, a run of white space for one, and may take
a word of any length for unknown. So more and more of the text is read, until there are enough tokens.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile

from ..errors import InputTooLong, InvalidInput
from ..job import Job
from .tokenizer import Tokenizer
from .truncation import Side, Truncation

# Characters for each token that are read first, more than texts of most scripts have; and those read for few tokens.
_FIRST, _LEAST = 8, 4096
# Characters for each token beyond which a text is refused, or more where the vocabulary has a longer one. vLLM's bound
# is the longest token alone, which leaves no room for white space. A choice.
_MOST = 32
# A text is read with up to so many characters less at the cut, or as many as the longest token has where the likeliest
# pieces are chosen: tokens that then stay do not depend on where it is, since every choice ends a token at one of them.
_SHIFTS = 8
# Words at the cut that do not count, since they may be parts of others, or of an added token.
_WORDS = 32
# Characters after which tokens count though they depend on the cut, as in a run of one character alone, and after which
# a text that has too few tokens is read no further: some seconds of work. A choice.
_ENOUGH = 2**21
# What stays of a text's other end where what stands next to it may matter: far more characters than a token has.
_END = 256


class LongTexts:
    """Long texts as one tokenizer reads them."""

    def __init__(self, tokenizer: Tokenizer, prepare: Callable[[str], str] = str) -> None:
        """`prepare` is done to a text, whichever part of it, before it is tokenised."""
        self._tokenizer = tokenizer
        self._prepare = prepare

    def bounded(
        self,
        text: str,
        limits: Truncation,
        own: int | None = None,
        own_side: Side = "right",
        *,
        keep_end: bool = False,
    ) -> str:
        """The text, or enough of it that cutting it to `limits` gives the same tokens.

        `own` bounds the text's tokens, of which it loses those at `own_side`. Where neither cuts it, it is refused if
        it is far too long. With `keep_end` its other end stays as it is, too.
        Raises `InputTooLong`, what `Job.check` raises, and `InvalidInput` where millions of characters are no tokens.
        """
        tokens, side = (limits.total, limits.lost) if own is None else (own, own_side)
        if tokens is None:
            self.refuse(len(text), limits)
            return text
        # One more than there may be, so that one can see that it is too long.
        enough = self._enough(text, tokens + 1, side, limits.job)
        if not keep_end or len(enough) == len(text):
            return enough
        return enough + text[-_END:] if side == "right" else text[:_END] + enough

    def refuse(self, characters: int, limits: Truncation) -> None:
        """Raises `InputTooLong` where a text of so many characters cannot have as few tokens as a model takes."""
        most = limits.max_length * _MOST
        if characters > most and characters > limits.max_length * self._tokenizer.longest_token:
            raise InputTooLong(characters, limits.max_length, "characters")

    def _enough(self, text: str, tokens: int, side: Side, job: Job) -> str:
        """The shortest beginning, or end, that was tried and has so many tokens of the whole text."""
        size = _FIRST * tokens + _LEAST
        if size < len(text):
            size += len(self._shifts)
        while 2 * size < len(text):
            if self._settles(text, size, side, tokens, job):
                return text[:size] if side == "right" else text[-size:]
            size *= 2
            if size > max(_ENOUGH, _MOST * tokens):
                where = "first" if side == "right" else "last"
                raise InvalidInput(
                    f"A text has {len(text):,} characters, and its {where} {size // 2:,} have fewer than {tokens:,} "
                    "tokens: take out what is no text, such as white space."
                )
        return text

    def _settles(self, text: str, size: int, side: Side, tokens: int, job: Job) -> bool:
        """Whether so many tokens of a part of the text are the whole text's."""
        words = self._tokenizer.words(self._part(text, size, side), job)
        if len(words) < tokens or size >= _ENOUGH:
            return len(words) >= tokens
        whole = _of_whole_words(words, side)
        # Words are found from left to right: those before the cut are the whole text's.
        if (side == "right" and whole >= tokens) or (self._tokenizer.by_word and whole < tokens):
            return whole >= tokens
        first = self._ids(text, size, side, job)
        return all(_alike(first, self._ids(text, size - shift, side, job), side) >= tokens for shift in self._shifts)

    def _ids(self, text: str, size: int, side: Side, job: Job) -> list[int]:
        job.check()
        # Without the job: what is read several times does not count.
        (ids,) = self._tokenizer.encode([self._part(text, size, side)])
        return ids

    @property
    def _shifts(self) -> range:
        return range(1, 1 + (max(_SHIFTS, self._tokenizer.longest_token) if self._tokenizer.by_likelihood else _SHIFTS))

    def _part(self, text: str, size: int, side: Side) -> str:
        return self._prepare(text[:size] if side == "right" else text[-size:])


def _of_whole_words(words: Sequence[int | None], side: Side) -> int:
    """How many tokens are of words away from the cut."""
    numbers = [word for word in words if word is not None]
    if not numbers:
        return 0
    if side == "right":
        return sum(number <= numbers[-1] - _WORDS for number in numbers)
    return sum(number >= numbers[0] + _WORDS for number in numbers)


def _alike(first: Sequence[int], second: Sequence[int], side: Side) -> int:
    """How many tokens two sequences have in common, from their beginning, or from their end."""
    pairs = (
        zip(first, second, strict=False) if side == "right" else zip(reversed(first), reversed(second), strict=False)
    )
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
