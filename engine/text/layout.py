"""From token ids to what a graph takes: truncation, special tokens, pairs, prompts and expansion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..artifact import PairLayout, TextLayout
from ..errors import InputTooLong, InvalidInput
from .prefix import Ids, Prefix

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Input:
    """One sequence of tokens for the graph.

    `input_ids` and `token_type_ids` are int64 `[tokens]`. The first `attended` tokens are attended to; only a query's
    expansion comes after them. `adapter` is the one of the graph's that computes it, where the graph has several.
    `prefix` is what it begins with as other inputs of its call do. It is part of `input_ids` and of the length, of all
    that counts tokens therefore, though it is computed once.
    """

    input_ids: Ids
    token_type_ids: Ids
    attended: int
    adapter: int = 0
    prefix: Prefix | None = None

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class Truncation:
    """How long inputs may be, in tokens.

    `query` and `document` bound the text alone. `total` bounds the whole input, special tokens included; without it an
    input longer than `max_length` is refused. `side` "right" shortens the texts and keeps every special token; "left"
    keeps the input's last tokens, whatever they are. vLLM cuts so too.
    """

    max_length: int
    total: int | None = None
    side: Side = "right"
    query: int | None = None
    document: int | None = None


def truncation(
    max_length: int,
    truncate_prompt_tokens: int | None,
    truncation_side: str | None,
    max_tokens_per_query: int | None,
    max_tokens_per_doc: int | None,
) -> Truncation:
    """The request's limits, checked. `truncate_prompt_tokens` -1 means `max_length`; 0 a text means no limit."""
    total = max_length if truncate_prompt_tokens == -1 else truncate_prompt_tokens
    if total is not None and total < 1:
        raise InvalidInput(
            "truncate_prompt_tokens must be a positive number of tokens, or -1 for the model's maximum.",
            "truncate_prompt_tokens",
        )
    if total is not None and total > max_length:
        raise InvalidInput(
            f"truncate_prompt_tokens value is greater than max_model_len ({max_length}). "
            "Please request a smaller truncation size."
        )
    if truncation_side not in (None, "left", "right"):
        raise InvalidInput("truncation_side must be 'left' or 'right'.", "truncation_side")
    for name, value in (("max_tokens_per_query", max_tokens_per_query), ("max_tokens_per_doc", max_tokens_per_doc)):
        if value is not None and value < 0:
            raise InvalidInput(f"{name} must be a non-negative integer")
        if value is not None and value >= max_length:
            raise InvalidInput(f"{name} ({value}) must be less than max_model_len ({max_length}).")
    return Truncation(
        max_length=max_length,
        total=total,
        side="left" if truncation_side == "left" else "right",
        query=max_tokens_per_query or None,
        document=max_tokens_per_doc or None,
    )


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
        keep_query, keep_document = longest_first(len(query), len(document), _room(limits.total, special))
        query, document = query[:keep_query], document[:keep_document]
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
    ids = np.array([*prefix, *prompt, *suffix], dtype=np.int64)
    return Input(ids, np.full(len(ids), layout.type_ids[1], dtype=np.int64), len(ids))


def lay_out_text(text: list[int], layout: TextLayout, limits: Truncation, limit: int | None) -> Input:
    """Put a text's token ids between its special tokens, expanded where the layout says so.

    `limit` bounds the text's own tokens. Raises as `lay_out_pair`.
    """
    text = text[:limit]
    special = len(layout.prefix) + len(layout.suffix)
    if layout.max_length is not None:
        text = text[: layout.max_length - special]
    total = special + len(text)
    if limits.total is None:
        if total > limits.max_length:
            raise InputTooLong(total, limits.max_length)
    elif total > limits.total and limits.side == "right":
        text = text[: _room(limits.total, special)]
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
        ids = ids[: limits.total]
    else:
        ids = ids[-limits.total :]
    return Input(np.array(ids, dtype=np.int64), np.full(len(ids), type_id, dtype=np.int64), len(ids), adapter)


def longest_first(query: int, document: int, room: int) -> tuple[int, int]:
    """How many tokens of each to keep so that both fit in `room`: the longer one gives way first.

    The rule, and which of the two gets an odd token, are those of the `tokenizers` library's `LongestFirst`.
    """
    shorter, longer = sorted((query, document))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (longer, shorter) if query > document else (shorter, longer)


def _room(total: int, special: int) -> int:
    if total <= special:
        raise InvalidInput(
            f"truncate_prompt_tokens must be greater than {special}, the number of special tokens in an input.",
            "truncate_prompt_tokens",
        )
    return total - special
