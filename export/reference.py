"""What PyTorch and transformers' own tokenizer give for a checkpoint: the scores an artifact must reproduce.

Nothing here uses the engine, so that a mistake in it cannot hide.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from .layouts import expansion_token, token_id
from .network import ScoringNetwork
from .recipe import Marking, Recipe

Floats = NDArray[np.float32]

_BATCH = 8


class Reference:
    """A checkpoint's float32 network and tokenizer, run as transformers, sentence-transformers and PyLate run them."""

    def __init__(
        self, network: ScoringNetwork, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, max_length: int
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._recipe = recipe
        self._max_length = max_length
        # What transformers would feed: not every tokenizer makes token type ids.
        self.inputs = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in tokenizer("a")]

    def logits(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """float32 `[pairs]` of a cross-encoder, longer pairs truncated."""

        def encode(indices: Sequence[int]) -> BatchEncoding:
            queries, documents = zip(*(pairs[index] for index in indices), strict=True)
            encoding: BatchEncoding = self._tokenizer(
                list(queries),
                list(documents),
                truncation=True,
                max_length=self._max_length,
                padding=True,
                return_tensors="pt",
            )
            return encoding

        lengths = [len(query) + len(document) for query, document in pairs]
        return np.array([row for row, _ in self._run(lengths, encode)], dtype=np.float32)

    def embeddings(self, texts: Sequence[str], role: str) -> list[Floats]:
        """A bi-encoder's `[dim]`, or a late-interaction model's scored `[tokens, dim]`, of each text."""
        prompt = self._recipe.query_prompt if role == "query" else self._recipe.document_prompt
        marking = self._recipe.query if role == "query" else self._recipe.document

        def encode(indices: Sequence[int]) -> BatchEncoding:
            return self._encode([prompt + texts[index] for index in indices], marking)

        rows = []
        skip = [token_id(self._tokenizer, word) for word in marking.skip]
        for row, encoding in self._run([len(text) for text in texts], encode):
            if row.ndim == 2:
                scored = encoding["attention_mask"].astype(bool) | marking.expand
                row = row[scored & ~np.isin(encoding["input_ids"], skip)]
            rows.append(row)
        return rows

    def _encode(self, texts: list[str], marking: Marking) -> BatchEncoding:
        length = min(marking.length or self._max_length, self._max_length)
        if marking.expand:
            self._tokenizer.pad_token_id = expansion_token(self._tokenizer)
        encoding: BatchEncoding = self._tokenizer(
            texts,
            truncation=True,
            max_length=length - bool(marking.marker),
            padding="max_length" if marking.expand else True,
            return_tensors="pt",
        )
        if marking.marker:
            marker = token_id(self._tokenizer, marking.marker)
            for name, value in (("input_ids", marker), ("attention_mask", 1), ("token_type_ids", 0)):
                if name in encoding:
                    column = torch.full((len(texts), 1), value)
                    encoding[name] = torch.cat([encoding[name][:, :1], column, encoding[name][:, 1:]], dim=1)
        if marking.attend:
            encoding["attention_mask"].fill_(1)
        return encoding

    def _run(
        self, lengths: Sequence[int], encode: Callable[[Sequence[int]], BatchEncoding]
    ) -> list[tuple[Floats, dict[str, NDArray[np.int64]]]]:
        """Each input's output with what was fed for it, in order; inputs of like `lengths` share a padded batch."""
        rows = {}
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            encoding = encode(batch)
            feeds = {name: encoding[name] for name in self.inputs}
            with torch.no_grad():
                output = next(iter(self._network(**feeds).values())).numpy()
            for row, index in enumerate(batch):
                rows[index] = (output[row], {name: value[row].numpy() for name, value in feeds.items()})
        return [rows[index] for index in range(len(lengths))]
