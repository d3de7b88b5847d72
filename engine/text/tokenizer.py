"""Turns text into token ids, with the `tokenizers` library alone."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import tokenizers

from ..errors import InvalidInput

_SURROGATE = re.compile("[\ud800-\udfff]")


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

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's token ids without special tokens around them; equal texts are tokenised once."""
        distinct = list(dict.fromkeys(texts))
        with _refusing_surrogates(distinct):
            encodings = self._tokenizer.encode_batch_fast(distinct, add_special_tokens=False)
        ids = {text: encoding.ids for text, encoding in zip(distinct, encodings, strict=True)}
        return [ids[text] for text in texts]

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[Token]:
        """A text's tokens, as the checkpoint's own tokenizer puts special ones around them."""
        with _refusing_surrogates([text]):
            encoding = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        parts = zip(encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True)
        return [Token(token_id, token, special == 1, *offsets) for token_id, token, special, offsets in parts]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of tokens. Raises `InvalidInput` for an id that is not in the vocabulary."""
        self.check(ids)
        text: str = self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        return text

    def check(self, ids: Sequence[int]) -> None:
        """Raises `InvalidInput` for an id that is not in the vocabulary."""
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        for token_id in ids:
            if not 0 <= token_id < size:
                raise InvalidInput(f"Token id {token_id} is out of vocabulary: this model's has 0 to {size - 1}.")

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each of a text's tokens begins and ends in it, in characters.

        The tokens of a character that takes several all have the whole of it.
        """
        with _refusing_surrogates([text]):
            offsets: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

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
