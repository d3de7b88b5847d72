"""Lays token ids out as a graph takes them: special tokens, pairs, prompts and expansion, cut to the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from ..arrays import Ids
from ..artifact.artifact import PairLayout, TextLayout
from ..errors import InputTooLong
from .placed import Placed
from .prefix import Prefix
from .truncation import Truncation, longest_first, room


@dataclass(frozen=True, slots=True)
class Input:
    """One sequence of tokens for the graph.

    `input_ids` and `token_type_ids` are int64 `[tokens]`. The first `attended` tokens are attended to; only a query's
    expansion comes after them. `adapter` is the one of the graph's that computes it, where the graph has several.
    `prefix` is the beginning that it shares with other inputs of its call. Those tokens are in `input_ids`, and
    everything that counts tokens counts them, though they are computed once. `placed` are the pictures among the
    tokens.
    """

    input_ids: Ids
    token_type_ids: Ids
    attended: int
    adapter: int = 0
    prefix: Prefix | None = None
    placed: Placed | None = None

    def __len__(self) -> int:
        """Its tokens, as a run is padded to them."""
        return len(self.input_ids)

    @property
    def tokens(self) -> int:
        """What `usage` counts for it: placeholders of pictures, too."""
        return len(self.input_ids)

    @property
    def cost(self) -> int:
        """What the queue counts for it, in tokens of the text graph. Pictures wait in a queue of their own."""
        return len(self.input_ids)

    @property
    def identity(self) -> bytes:
        """A digest of all that the graph's output for it depends on. Inputs of one identity are computed once."""
        digest = blake2b(f"{self.adapter} {self.attended} {len(self)} ".encode(), digest_size=32)
        digest.update(self.input_ids.tobytes())
        digest.update(self.token_type_ids.tobytes())
        if self.placed is not None:
            digest.update(self.placed.identity)
        return digest.digest()


def lay_out_pair(query: list[int], document: list[int], layout: PairLayout, limits: Truncation) -> Input:
    """Join a query's and a document's token ids as the model was trained to read them.

    Raises `InputTooLong`, or `InvalidInput` where the special tokens alone do not fit.
    """
    query, document = query[: limits.query], document[: limits.document]
    special = len(layout.prefix) + len(layout.middle) + len(layout.suffix)
    total = special + len(query) + len(document)
    if limits.total is None:
        if total > limits.max_length:
            raise InputTooLong(total, limits.max_length)
    elif total > limits.total and limits.side == "right":
        keep_query, keep_document = longest_first(len(query), len(document), room(limits.total, special))
        query, document = limits.shortened(query, keep_query), limits.shortened(document, keep_document)
    parts = (layout.prefix, query, layout.middle, document, layout.suffix)
    ids = np.array([token for part in parts for token in part], dtype=np.int64)
    type_ids = np.repeat(layout.type_ids, [len(part) for part in parts])
    last = slice(-limits.total, None) if limits.total is not None else slice(None)
    return Input(ids[last], type_ids[last], len(ids[last]))


def lay_out_prompt(prompt: list[int], layout: PairLayout) -> Input:
    """Put a score template's token ids between the special tokens of one text, less those it has written itself."""
    prefix, suffix = layout.prefix, layout.suffix
    if prompt[: len(prefix)] == prefix:
        prefix = []
    if suffix and prompt[-len(suffix) :] == suffix:
        suffix = []
    ids = np.array([*prefix, *prompt, *suffix, *layout.end], dtype=np.int64)
    return Input(ids, np.full(len(ids), layout.type_ids[1], dtype=np.int64), len(ids))


def lay_out_text(text: list[int], layout: TextLayout, limits: Truncation, limit: int | None) -> Input:
    """Put a text's token ids between its special tokens, expanded where the layout says so.

    `limit` bounds the text's own tokens. Raises as `lay_out_pair`.
    """
    text = text[:limit]
    special = len(layout.prefix) + len(layout.suffix)
    if layout.max_length is not None:
        text = limits.shortened(text, layout.max_length - special)
    total = special + len(text)
    if limits.total is None:
        if total > limits.max_length:
            raise InputTooLong(total, limits.max_length)
    elif total > limits.total and limits.side == "right":
        text = limits.shortened(text, room(limits.total, special))
    ids = [*layout.prefix, *text, *layout.suffix]
    if limits.total is not None:
        ids = ids[-limits.total :]
    attended = len(ids)
    if layout.expand_to is not None and layout.expansion_token is not None:
        ids += [layout.expansion_token] * (layout.expand_to - len(ids))
        attended = len(ids) if layout.attend_to_expansion else attended
    return Input(np.array(ids, dtype=np.int64), np.zeros(len(ids), dtype=np.int64), attended, layout.adapter or 0)


def lay_out_ids(ids: Sequence[int], type_id: int, limits: Truncation, adapter: int = 0) -> Input:
    """Take token ids as they are, only cut to the limits. Raises `InputTooLong`."""
    if limits.total is None:
        if len(ids) > limits.max_length:
            raise InputTooLong(len(ids), limits.max_length)
    elif limits.side == "right":
        ids = limits.shortened(ids, limits.total)
    else:
        ids = ids[-limits.total :]
    return Input(np.array(ids, dtype=np.int64), np.full(len(ids), type_id, dtype=np.int64), len(ids), adapter)
