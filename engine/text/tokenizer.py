"""Turns text into token ids, with the `tokenizers` library alone.

Its calls for one text hold the interpreter's lock while they work, and those for batches do not: only they are used. No
call gets more than some characters, so that a job that is late or cancelled ends between two of them.
"""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import tokenizers
from tokenizers.models import Unigram, WordLevel, WordPiece

from ..errors import InvalidInput
from ..job import Job
from ..runtime.machine.cores import cores

_SURROGATE = re.compile("[\ud800-\udfff]")

# The characters of one call, some 0.1 s of work: a choice. A text that has more is a call by itself.
_AT_A_TIME = 2**17
# Calls of more characters than this take turns, one a core, since each character takes up to 500 bytes meanwhile.
_LARGE = 2**14


class _Turns:
    """Lets so many large calls of the process work at a time. A child of a fork has turns of its own."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._free = threading.BoundedSemaphore(cores())

    @contextmanager
    def turn(self, texts: Sequence[str], job: Job) -> Iterator[None]:
        """Work on texts. Raises what `Job.check` raises, also where its time is over before it is its turn."""
        job.check()
        if sum(map(len, texts)) <= _LARGE:
            yield
            return
        free = self._free
        if not free.acquire(timeout=job.remaining()):
            raise job.late()
        try:
            yield
        finally:
            free.release()


_TURNS = _Turns()


@dataclass(frozen=True, slots=True)
class Token:
    """A token, its string in the vocabulary, and where it stands in the text, in characters.

    Those that the tokenizer added around the text are `special`, and stand at 0.
    """

    id: int
    text: str
    special: bool
    start: int
    stop: int


class Tokenizer:
    """An artifact's tokenizer. Thread-safe: the Rust side takes no lock while it encodes."""

    def __init__(self, path: Path) -> None:
        self._open(tokenizers.Tokenizer.from_file(str(path)))

    @classmethod
    def parse(cls, content: str) -> Self:
        """A tokenizer of a tokenizer.json's content."""
        self = cls.__new__(cls)
        self._open(tokenizers.Tokenizer.from_str(content))
        return self

    def _open(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer
        # Layouts and truncation are the manifest's business, applied to ids.
        tokenizer.no_padding()
        tokenizer.no_truncation()

    @property
    def size(self) -> int:
        """How many tokens its vocabulary has, without those added to it."""
        size: int = self._tokenizer.get_vocab_size(with_added_tokens=False)
        return size

    @cached_property
    def longest_token(self) -> int:
        """The characters of the longest token in the vocabulary."""
        return max(map(len, self._tokenizer.get_vocab()))

    @property
    def by_word(self) -> bool:
        """Whether it takes whole words for unknown, and so needs to see a word's end."""
        return isinstance(self._tokenizer.model, WordPiece | WordLevel)

    @property
    def by_likelihood(self) -> bool:
        """Whether a word's pieces are those that are likeliest together, so that each depends on the word's end."""
        return isinstance(self._tokenizer.model, Unigram)

    def encode(self, texts: Sequence[str], job: Job | None = None, most: int | None = None) -> list[list[int]]:
        """Each text's token ids without special tokens around them; equal texts are tokenised once.

        An input has up to `most` of a text's tokens. Raises what `job.check` raises, also where texts have more tokens
        than all its inputs may have.
        """
        job = job or Job()
        ids: dict[str, list[int]] = {}
        tokens = 0
        for some in _some_at_a_time(list(dict.fromkeys(texts))):
            for text, encoding in zip(some, self._fast(some, job), strict=True):
                ids[text] = encoding.ids
                tokens += len(ids[text]) if most is None else min(most, len(ids[text]))
            # A pair has a query and a document, and may be cut to half of their tokens.
            job.check(tokens // 2)
        return [ids[text] for text in texts]

    def words(self, text: str, job: Job) -> list[int | None]:
        """The number of the word that each of a text's tokens is of. Raises what `job.check` raises."""
        # The library's fast call does not tell.
        (encoding,) = self._whole([text], False, job)
        words: list[int | None] = encoding.word_ids
        return words

    def tokenize(self, text: str, *, add_special_tokens: bool = True, job: Job | None = None) -> list[Token]:
        """A text's tokens, as the checkpoint's own tokenizer puts special ones around them.

        Raises what `job.check` raises, also where there are more than its inputs may have.
        """
        job = job or Job()
        size = _AT_A_TIME
        while size < len(text):
            (encoding,) = self._fast([text[:size]], job)
            job.check(len(encoding.ids))
            size *= 2
        (encoding,) = self._whole([text], add_special_tokens, job)
        job.check(len(encoding))
        tokens = []
        # Token by token, because the encoding's lists of them hold the interpreter's lock until they are made.
        for place, (token_id, special) in enumerate(zip(encoding.ids, encoding.special_tokens_mask, strict=True)):
            start, stop = encoding.token_to_chars(place) or (0, 0)
            tokens.append(Token(token_id, self.token(token_id), special == 1, start, stop))
            if place % _AT_A_TIME == 0:
                job.check()
        return tokens

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False, job: Job | None = None) -> str:
        """The text of tokens. Raises `InvalidInput` for an id that is not in the vocabulary, and as `tokenize`."""
        (job or Job()).check(len(ids))
        self.check(ids)
        (text,) = self._tokenizer.decode_batch([ids], skip_special_tokens=skip_special_tokens)
        return str(text)

    def check(self, ids: Sequence[int]) -> None:
        """Raises `InvalidInput` for an id that is not in the vocabulary."""
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        for token_id in ids:
            if not 0 <= token_id < size:
                raise InvalidInput(f"Token id {token_id} is out of vocabulary: this model's has 0 to {size - 1}.")

    def offsets(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Where each of the texts' tokens begins and ends in its text, in characters.

        The tokens of a character that takes several all have the whole of it.
        """
        return [encoding.offsets for encoding in self._whole(texts, False, Job())]

    def _whole(self, texts: Sequence[str], add_special_tokens: bool, job: Job) -> list[tokenizers.Encoding]:
        """Texts' encodings with their offsets."""
        with _refusing_surrogates(texts), _TURNS.turn(texts, job):
            encodings: list[tokenizers.Encoding] = self._tokenizer.encode_batch(
                list(texts), add_special_tokens=add_special_tokens
            )
        return encodings

    def _fast(self, texts: Sequence[str], job: Job) -> list[tokenizers.Encoding]:
        """Texts' encodings without offsets."""
        with _refusing_surrogates(texts), _TURNS.turn(texts, job):
            encodings: list[tokenizers.Encoding] = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return encodings

    def has(self, token_id: int) -> bool:
        """Whether there is a token of that id."""
        return 0 <= token_id < 2**31 and self._tokenizer.id_to_token(token_id) is not None

    def content(self) -> str:
        """The tokenizer as its tokenizer.json holds it."""
        content: str = self._tokenizer.to_str()
        return content

    def token(self, token_id: int) -> str:
        """The string of one token."""
        token: str | None = self._tokenizer.id_to_token(token_id)
        assert token is not None, f"the tokenizer has no token {token_id}"
        return token

    def added_tokens(self) -> dict[str, int]:
        """The strings that are tokens wherever they stand in a text, and their ids."""
        return {token.content: token_id for token_id, token in self._tokenizer.get_added_tokens_decoder().items()}

    def special_tokens(self) -> set[str]:
        """Those of the added tokens that are no text but speak to the model."""
        return {token.content for token in self._tokenizer.get_added_tokens_decoder().values() if token.special}


def _some_at_a_time(texts: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    characters = 0
    for text in texts:
        if some and characters + len(text) > _AT_A_TIME:
            yield some
            some, characters = [], 0
        some.append(text)
        characters += len(text)
    if some:
        yield some


@contextmanager
def _refusing_surrogates(texts: Sequence[str]) -> Iterator[None]:
    """Raises `InvalidInput` where they are why it failed: a Python string may hold them, and UTF-8 may not."""
    try:
        yield
    except TypeError:
        for text in texts:
            if (found := _SURROGATE.search(text)) is not None:
                raise InvalidInput(
                    f"A text has half of a surrogate pair, U+{ord(found[0]):04X}, which is no character: decode it "
                    'with errors="replace".'
                ) from None
        raise
