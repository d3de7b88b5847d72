"""Says how long inputs may be, and which of a pair's texts gives way first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

from ..arguments import LONG_DOCUMENTS, ScoreArguments, whole
from ..errors import InvalidInput
from ..job import Job

Side = Literal["left", "right"]
Tokens = TypeVar("Tokens", bound=Sequence[int])


@dataclass(frozen=True, slots=True)
class Truncation:
    """How long inputs may be, in tokens.

    `query` and `document` bound the text alone. `total` bounds the whole input, special tokens included; without it an
    input longer than `max_length` is refused. `side` "right" shortens the texts and keeps every special token; "left"
    keeps the input's last tokens, whatever they are. vLLM cuts so too. Texts that are shortened lose tokens at the end
    `text_side`.
    """

    max_length: int
    total: int | None = None
    side: Side = "right"
    query: int | None = None
    document: int | None = None
    job: Job = field(default_factory=Job, compare=False)
    """Bounds the work of all of them."""
    text_side: Side = "right"

    @property
    def lost(self) -> Side:
        """The side at which an input that is too long loses tokens first."""
        return "left" if "left" in (self.side, self.text_side) else "right"

    def shortened(self, text: Tokens, length: int) -> Tokens:
        """A text's tokens, of which at most `length` are kept."""
        kept = slice(length) if self.text_side == "right" else slice(max(len(text) - length, 0), None)
        return cast(Tokens, text[kept])


def truncation(max_length: int, arguments: ScoreArguments, own: Side = "right") -> Truncation:
    """The call's limits, checked. `truncate_prompt_tokens` -1 means `max_length`; 0 for a text means no limit.

    `own` is the side that the model's texts are shortened at where the call names none.
    """
    truncate = whole(arguments.get("truncate_prompt_tokens"), "truncate_prompt_tokens")
    side = arguments.get("truncation_side")
    way = arguments.get("long_documents")
    if way not in (None, *LONG_DOCUMENTS):
        raise InvalidInput(f"long_documents must be 'refuse', 'truncate' or 'chunk', not {way!r}.", "long_documents")
    if way == "refuse" and truncate is not None:
        raise InvalidInput(
            "long_documents 'refuse' and truncate_prompt_tokens contradict each other: leave one of them out."
        )
    if way == "chunk" and side == "left":
        raise InvalidInput(
            "truncation_side 'left' and long_documents 'chunk' contradict each other, since chunks are taken from a "
            "document's beginning: leave one of them out."
        )
    if way == "truncate" and truncate is None:
        truncate = -1
    total = max_length if truncate == -1 else truncate
    if total is not None and total < 1:
        raise InvalidInput(
            "truncate_prompt_tokens must be a positive number of tokens, or -1 for the model's maximum.",
            "truncate_prompt_tokens",
        )
    if total is not None and total > max_length:
        raise InvalidInput(
            "truncate_prompt_tokens value is greater than max_model_len. Please request a smaller truncation size."
        )
    if side not in (None, "left", "right"):
        raise InvalidInput("truncation_side must be 'left' or 'right'.", "truncation_side")
    query = whole(arguments.get("max_tokens_per_query"), "max_tokens_per_query")
    document = whole(arguments.get("max_tokens_per_doc"), "max_tokens_per_doc")
    for name, value in (("max_tokens_per_query", query), ("max_tokens_per_doc", document)):
        if value is not None and value < 0:
            raise InvalidInput(f"{name} must be a non-negative integer")
        chunked = way == "chunk" and name == "max_tokens_per_doc"
        if value is not None and value >= max_length and not chunked:
            raise InvalidInput(f"{name} ({value}) must be less than max_model_len ({max_length}).")
    return Truncation(
        max_length=max_length,
        total=total,
        side="left" if side == "left" else "right",
        query=query or None,
        document=document or None,
        job=arguments.get("job") or Job(),
        text_side=own if side is None else "right",
    )


def longest_first(query: int, document: int, room: int) -> tuple[int, int]:
    """How many tokens of each to keep so that both fit in `room`: the longer one gives way first.

    The rule, and which of the two gets an odd token, are those of the `tokenizers` library's `LongestFirst`.
    """
    shorter, longer = sorted((query, document))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room // 2 + room % 2
    return (longer, shorter) if query > document else (shorter, longer)


def room(total: int, special: int) -> int:
    """The tokens that `total` leaves for texts. Raises `InvalidInput` where the special tokens alone take it."""
    if total <= special:
        raise InvalidInput(
            f"truncate_prompt_tokens must be greater than {special}, the number of special tokens in an input.",
            "truncate_prompt_tokens",
        )
    return total - special
