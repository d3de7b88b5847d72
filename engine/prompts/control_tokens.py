"""Keeps what users write from becoming the tokens a prompt is steered with.

A template's `<|im_end|>` ends a turn; a document's is eleven characters of text. A text that took part in such a token
would bring the token's first or last character. So those characters are masked in every text: each has a stand-in that
no token has. The template is rendered with masked texts, whose lengths and edges are the real ones, and
the whole prompt is tokenised at once, by a tokenizer that looks for control tokens first and only then takes the masks
off. So texts without control tokens get exactly the tokens that they would get without any of this.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ..job import Job
from ..text.long_texts import LongTexts
from ..text.tokenizer import Tokenizer
from ..text.truncation import Side

T = TypeVar("T")

# Stand-ins come from the last of Unicode's private-use planes; a text that has one of them itself gets U+FFFD for it.
_STAND_INS = 0x100000
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class ControlTokens:
    """The control tokens of a prompt: every special token, and other added tokens in brackets the template spells out.

    In brackets, as `<think>` is: some vocabularies have added tokens for line ends and words, which are text.
    """

    def __init__(self, tokenizer: Tokenizer, literals: Iterable[str], reserved: str = "") -> None:
        """`literals` are the strings in the template's own text.

        `reserved`, as in brackets of a regular expression, are characters that no text may have: they become U+FFFD.
        """
        added = tokenizer.added_tokens()
        spelled = "\0".join(literals)
        bracketed = {token for token in added if token in spelled and _is_bracket(token[0]) and _is_bracket(token[-1])}
        self.tokens = sorted(tokenizer.special_tokens() | bracketed)
        # A letter, digit or space is masked only where a whole token stands: templates change the case of letters, and
        # trim spaces.
        ends = {end for token in self.tokens for end in (token[0], token[-1]) if _is_bracket(end)}
        masked = sorted(ends | {token[0] for token in self.tokens})
        self._stand_ins = {character: chr(_STAND_INS + index) for index, character in enumerate(masked)}
        self._pattern = self._compile(ends, set(added) - set(self.tokens), reserved)
        self._tokenizer = Tokenizer.parse(json.dumps(self._apart(json.loads(tokenizer.content()))))
        self.long_texts = LongTexts(self._tokenizer, self.mask)
        """Long texts that are not masked yet."""
        ids = self._tokenizer.added_tokens()
        self._ids = {ids[token]: token_id for token, token_id in added.items() if ids[token] != token_id}

    def mask(self, value: T) -> T:
        """JSON data with its strings masked."""
        masked: Any = value
        if isinstance(value, str):
            masked = self._pattern.sub(self._masked, value)
        elif isinstance(value, dict):
            masked = {self.mask(key): self.mask(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            masked = [self.mask(item) for item in value]
        result: T = masked
        return result

    def encode(self, texts: Sequence[str], job: Job | None = None) -> list[list[int]]:
        """The token ids of prompts, or of single texts, whose user-written parts are masked. Raises as `job.check`."""
        encoded = self._tokenizer.encode(texts, job)
        return [[self._ids.get(token, token) for token in ids] for ids in encoded] if self._ids else encoded

    def offsets(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Where the tokens of masked texts begin and end in them, in characters."""
        return self._tokenizer.offsets(texts)

    def drop(self, text: str, tokens: int, side: Side) -> str:
        """A masked text without that many of its tokens at its end, or its beginning with side "left"."""
        (ids,) = self._tokenizer.encode([text])
        return self.keep(text, len(ids) - tokens, side)

    def keep(self, text: str, tokens: int, side: Side = "right") -> str:
        """The first `tokens` tokens of a masked text, or its last with side "left"; whole characters only."""
        while text and tokens > 0:
            (offsets,) = self._tokenizer.offsets([text])
            if len(offsets) <= tokens:
                return text
            # Cut text may fall into more tokens than it had within the whole, so look again.
            if side == "left":
                text = text[max(1, offsets[-tokens - 1][1]) :]
            else:
                text = text[: min(len(text) - 1, offsets[tokens][0])]
        return ""

    def could_surround(self, before: str, after: str) -> str | None:
        """A token that `before` begins and `after` ends, so that the text between them could complete it."""
        for token in self.tokens:
            size = len(token)
            if token[0] in before[-size:] and token[-1] in after[:size]:
                for end in range(1, size):
                    if before.endswith(token[:end]) and any(after.startswith(token[i:]) for i in range(end, size)):
                        return token
        return None

    def _compile(self, ends: set[str], ordinary: set[str], reserved: str) -> re.Pattern[str]:
        """Finds what to mask, and the ordinary added tokens that hold such characters: those stay what they are."""
        whole = [token for token in ordinary if not ends.isdisjoint(token)]
        started = [token for token in self.tokens if token[0] not in ends]
        alternatives = [re.escape(token) for token in sorted(whole, key=len, reverse=True)]
        if started:
            alternatives.append(f"(?={'|'.join(map(re.escape, started))}).")
        if self._stand_ins or reserved:
            alternatives.append(f"[{re.escape(''.join([*ends, *self._stand_ins.values()]))}{reserved}]")
        return re.compile("|".join(alternatives) or "(?!)", re.DOTALL)

    def _masked(self, match: re.Match[str]) -> str:
        found = match[0]
        if found in self._stand_ins:
            return self._stand_ins[found]
        is_ours = len(found) == 1 and ord(found) >= _STAND_INS
        return _REPLACEMENT if is_ours else found

    def _apart(self, content: dict[str, Any]) -> dict[str, Any]:
        """A tokenizer.json that finds control tokens before it takes the masks off, and nowhere afterwards."""
        unmask = [
            {"type": "Replace", "pattern": {"String": stand_in}, "content": character}
            for character, stand_in in self._stand_ins.items()
        ]
        own = [content["normalizer"]] if content["normalizer"] else []
        content["normalizer"] = {"type": "Sequence", "normalizers": [*unmask, *own]}
        for token in content["added_tokens"]:
            token["normalized"] = token["normalized"] and token["content"] not in self.tokens
        # It would trim spaces off the offsets, and cut them off texts with them.
        content["post_processor"] = None
        stand_in = next(iter(self._stand_ins.values()), "")
        content["model"] = _without(content["model"], {token: f"{stand_in}{token}" for token in self.tokens})
        return content


def _is_bracket(character: str) -> bool:
    # The last is how SentencePiece writes a space.
    return not (character.isalnum() or character.isspace() or character == "▁")


def _without(model: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A vocabulary in which no text leads to the pieces in `names`: they are called something that no text can be.

    Many vocabularies list their special tokens among the ordinary pieces, where a Unigram or WordPiece model would take
    them for words.
    """
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):
        return model | {"vocab": [[names.get(piece, piece), score] for piece, score in vocabulary]}
    changed: dict[str, Any] = {"vocab": {names.get(piece, piece): token_id for piece, token_id in vocabulary.items()}}
    if "unk_token" in model:
        changed["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        changed["merges"] = [merge for merge in model["merges"] if not _touches(merge, names)]
    return model | changed


def _touches(merge: str | list[str], names: dict[str, str]) -> bool:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names
