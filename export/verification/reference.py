"""Computes what an artifact must reproduce, with the model it was made of and transformers' own tokenizer.

Nothing here uses the engine, the layouts of `recognition` or the nodes of a graph, so that a mistake in one of them
cannot hide.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from transformers import BatchEncoding, PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.progress import Report, unheard

from ..errors import ExportError
from ..recipe import Marking, Recipe


@dataclass(frozen=True)
class ReferenceModel:
    """Computes a checkpoint's outputs from token ids: its PyTorch network, or the graph it was published with.

    `run` takes `inputs`, int64 `[batch, tokens]` (`adapter`: `[batch]`), and gives float32 logits `[batch]`, embeddings
    `[batch, dim]` or token embeddings `[batch, tokens, dim]`. A batch is at most `max_batch`: 1 where neighbours would
    change an output.
    """

    name: str
    version: str
    inputs: list[str]
    run: Callable[[Feeds], Floats]
    # A choice that was not measured: batches of eight of the longest texts fit into an ordinary machine's memory.
    max_batch: int = 8


class Scorer(Protocol):
    """Computes what an artifact must reproduce of contents, with `model`. `Reference` does for texts alone."""

    model: ReferenceModel

    def logits(self, pairs: Sequence[tuple[Any, Any]], report: Report = unheard) -> Floats:
        """float32 `[pairs]` of a cross-encoder, longer pairs truncated."""

    def embeddings(self, contents: Sequence[Any], role: str, report: Report = unheard) -> list[Floats]:
        """A bi-encoder's `[dim]`, or a late-interaction model's scored `[tokens, dim]`, of each content."""

    def pair_feeds(self, pairs: Sequence[tuple[str, str]]) -> list[Feeds]:
        """The feeds of each pair by itself."""

    def text_feeds(self, texts: Sequence[str], role: str) -> list[Feeds]:
        """The feeds of each text by itself."""


class Reference:
    """Runs a model with its tokenizer as transformers, sentence-transformers and PyLate run theirs."""

    def __init__(
        self,
        model: ReferenceModel,
        tokenizer: PreTrainedTokenizerBase,
        recipe: Recipe,
        max_length: int,
    ) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._max_length = max_length
        self._around = _around(tokenizer) if recipe.surrounded and recipe.template is not None else ("", "")
        """What the tokenizer writes around a prompt, which a template may write, too."""

    def logits(self, pairs: Sequence[tuple[str, str]], report: Report = unheard) -> Floats:
        """float32 `[pairs]` of a cross-encoder, longer pairs truncated."""
        lengths = [len(query) + len(document) for query, document in pairs]
        rows = self._run(lengths, lambda indices: self._encode_pairs([pairs[index] for index in indices]), report)
        return np.array([row for row, _ in rows], dtype=np.float32)

    def pair_feeds(self, pairs: Sequence[tuple[str, str]]) -> list[Feeds]:
        """The feeds of each pair by itself."""
        return [self._feeds(self._encode_pairs([pair])) for pair in pairs]

    def text_feeds(self, texts: Sequence[str], role: str) -> list[Feeds]:
        """The feeds of each text by itself."""
        return [self._feeds(self._encode_texts([text], role)) for text in texts]

    def _encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> BatchEncoding:
        encoding: BatchEncoding
        if self._recipe.template is not None:
            prompts = [self._prompt(*pair) for pair in pairs]
            encoding = self._tokenizer(
                prompts, add_special_tokens=self._recipe.surrounded, padding=True, return_tensors="np"
            )
            return encoding
        queries, documents = zip(*pairs, strict=True)
        encoding = self._tokenizer(
            list(queries),
            list(documents),
            truncation=True,
            max_length=self._max_length,
            padding=True,
            return_tensors="np",
        )
        return encoding

    def _prompt(self, query: str, document: str) -> str:
        """The score template around a pair, its document cut, and then its query, until the prompt fits."""
        instruction = self._recipe.instruction
        system = [{"role": "system", "content": instruction}] if instruction else []
        given: dict[str, Any] = {"instruction": instruction} if instruction else {}
        while True:
            messages = [*system, {"role": "query", "content": query}, {"role": "document", "content": document}]
            prompt = self._tokenizer.apply_chat_template(
                messages, chat_template=self._recipe.template, tokenize=False, **given
            )
            assert isinstance(prompt, str)
            prompt = prompt.removeprefix(self._around[0]).removesuffix(self._around[1])
            ids = self._tokenizer(prompt, add_special_tokens=self._recipe.surrounded)["input_ids"]
            if len(ids) <= self._max_length:
                return prompt
            if document:
                document = without_end(self._tokenizer, document, len(ids) - self._max_length)
            elif query:
                query = without_end(self._tokenizer, query, len(ids) - self._max_length)
            else:
                raise too_long_prompt(len(ids), self._max_length)

    def embeddings(self, texts: Sequence[str], role: str, report: Report = unheard) -> list[Floats]:
        """A bi-encoder's `[dim]`, or a late-interaction model's scored `[tokens, dim]`, of each text."""
        marking = self._marking(role)
        rows = []
        skip = self._skip_list(marking)
        lengths = [len(text) for text in texts]
        encode = lambda indices: self._encode_texts([texts[index] for index in indices], role)  # noqa: E731
        for row, encoding in self._run(lengths, encode, report):
            if row.ndim == 2:
                scored = encoding["attention_mask"].astype(bool) | marking.expand
                row = row[scored & ~np.isin(encoding["input_ids"], skip)]
            rows.append(row)
        return rows

    def _skip_list(self, marking: Marking) -> list[int]:
        """The ids that are not scored: PyLate's words, and the first token of each of colbert-ai's symbols."""
        words = [*marking.skip, *marking.skip_texts]
        ids = self._tokenizer.convert_tokens_to_ids(words)
        assert isinstance(ids, list)
        if marking.skip_known:
            unknown, named = self._tokenizer.unk_token_id, self._tokenizer.unk_token
            ids = [own for own, word in zip(ids, words, strict=True) if own != unknown or word == named]
        return ids + [self._tokenizer.encode(text, add_special_tokens=False)[0] for text in marking.skip_texts]

    def _marking(self, role: str) -> Marking:
        return self._recipe.query if role == "query" else self._recipe.document

    def _encode_texts(self, texts: Sequence[str], role: str) -> BatchEncoding:
        prompt = self._recipe.query_prompt if role == "query" else self._recipe.document_prompt
        encoding = self._encode([prompt + text for text in texts], self._marking(role))
        if self._recipe.adapters:
            encoding["adapter"] = np.full(len(texts), self._recipe.adapters[role])
        return encoding

    def _encode(self, texts: list[str], marking: Marking) -> BatchEncoding:
        length = min(marking.length or self._max_length, self._max_length)
        if marking.expand:
            # As PyLate: a query is padded with the mask token, or else with the end of text, if there is one.
            expansion = (self._tokenizer.mask_token_id, self._tokenizer.eos_token_id, self._tokenizer.pad_token_id)
            self._tokenizer.pad_token_id = next(token for token in expansion if token is not None)
        encoding: BatchEncoding = self._tokenizer(
            texts,
            truncation=True,
            max_length=length - bool(marking.marker),
            padding="max_length" if marking.expand else True,
            return_tensors="np",
        )
        if marking.marker:
            marker = self._tokenizer.convert_tokens_to_ids(marking.marker)
            for name, value in (("input_ids", marker), ("attention_mask", 1), ("token_type_ids", 0)):
                if name in encoding:
                    encoding[name] = np.insert(encoding[name], 1, value, axis=1)
        if marking.attend:
            encoding["attention_mask"].fill(1)
        return encoding

    def _run(
        self, lengths: Sequence[int], encode: Callable[[Sequence[int]], BatchEncoding], report: Report
    ) -> list[tuple[Floats, Feeds]]:
        """Each input's output with what was fed for it, in order; inputs of like `lengths` share a padded batch."""
        rows = {}
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for start in range(0, len(order), self.model.max_batch):
            batch = order[start : start + self.model.max_batch]
            feeds = self._feeds(encode(batch))
            output = self.model.run(feeds)
            for row, index in enumerate(batch):
                rows[index] = (output[row], {name: value[row] for name, value in feeds.items()})
            report(sum(lengths[index] for index in rows), sum(lengths))
        return [rows[index] for index in range(len(lengths))]

    def _feeds(self, encoding: BatchEncoding) -> Feeds:
        # Not every tokenizer makes token type ids for a graph that reads them.
        none = np.zeros_like(encoding["input_ids"])
        return {name: encoding.get(name, none) for name in self.model.inputs}


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """The special tokens before and after one text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    is_special = encoded["special_tokens_mask"]
    end = len(tokens) - is_special[::-1].index(0)
    return "".join(tokens[: is_special.index(0)]), "".join(tokens[end:])


def without_end(tokenizer: PreTrainedTokenizerBase, text: str, tokens: int) -> str:
    """A text without its last tokens."""
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if tokens >= len(spans):
        return ""
    end, following = spans[-tokens - 1][1], spans[-tokens][0]
    return text[: min(end, following)]


def too_long_prompt(tokens: int, max_length: int) -> ExportError:
    """What is wrong where a prompt, with its pictures and without any text, is longer than its model's inputs."""
    return ExportError(
        f"A prompt takes {tokens} tokens before any text, and inputs have {max_length}: give a longer --max-length."
    )
