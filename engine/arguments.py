"""Tells once what the engine's calls may be given by keyword."""

import operator
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypedDict, cast, get_args

from .errors import InvalidInput
from .job import Job

LongDocuments: TypeAlias = Literal["refuse", "truncate", "chunk"]
"""What becomes of a document that is longer than a model takes."""

LONG_DOCUMENTS: tuple[LongDocuments, ...] = get_args(LongDocuments)


class TextArguments(TypedDict, total=False):
    """What every call on texts takes. None is the same as leaving an argument out.

    - `truncate_prompt_tokens`: cut inputs to that many tokens, special ones included; -1 for the model's maximum.
      Without it a longer input raises `InputTooLong`. A pair gives way longest first.
    - `truncation_side`: "right" keeps the beginning of each text, "left" the end of the whole input. Without it texts
      are cut as the model's tokenizer cuts them, which is on the right but for models trained otherwise.
    - `job`: bounds the call, and cancels it from another thread; see `Job`.
    """

    truncate_prompt_tokens: int | None
    truncation_side: str | None
    job: Job | None


class QueryArguments(TextArguments, total=False):
    """What calls with a query take besides.

    - `max_tokens_per_query`: keep that many of a query's own tokens; 0 keeps all.
    - `instruction`: what the score template is told besides the pair. A bi-encoder's takes the place of the one in its
      query prompt.
    """

    max_tokens_per_query: int | None
    instruction: str | None


class ScoreArguments(QueryArguments, total=False):
    """What calls with queries and documents take besides. With a score template truncation shortens the document first
    and then the query, and "left" their beginnings.

    With `long_documents` "chunk" `max_tokens_per_doc` tokens of a document are kept and then split, also where they are
    more than the model takes. `truncate_prompt_tokens` bounds the input that a chunk is in, and where it is given, what
    is not split is cut: a long query, to half of the room for texts, and a document with pictures. `truncation_side`
    "left" is refused.

    - `max_tokens_per_doc`: keep that many of a document's own tokens; 0 keeps all.
    - `long_documents`: "refuse" raises `InputTooLong` for what is too long, "truncate" cuts it to the model's maximum,
      and "chunk" scores each chunk of a document that is too long as a document of its own. The best of them is its
      score, or with late interaction MaxSim over the tokens of all. Without it `truncate_prompt_tokens` decides.
    - `max_chunks_per_doc`: score a document's first chunks, that many at most (10).
    - `chunk_overlap`: begin a chunk up to that many tokens before the end of the last, and at most half of that (0).
    - `chat_template_kwargs`: values for the score template's variables.
    - `use_activation`: False gives a cross-encoder's logits as they are; it changes nothing for the other score types.
    """

    max_tokens_per_doc: int | None
    long_documents: LongDocuments | None
    max_chunks_per_doc: int | None
    chunk_overlap: int | None
    chat_template_kwargs: Mapping[str, Any] | None
    use_activation: bool


def whole(value: object, name: str) -> int | None:
    """A number of tokens or documents, numpy's too, or None. Raises `InvalidInput`, which calls it `name`."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidInput(f"{name} must be a whole number or None, not {value!r}.", name)
    return operator.index(value)


def known(arguments: Mapping[str, Any], kind: Any, *own: str) -> ScoreArguments:
    """The arguments themselves. Raises `TypeError` for one that `kind`, a type of this module, does not have.

    `own` are the names that the call's signature has besides, for the sentence.
    """
    allowed: frozenset[str] = kind.__optional_keys__
    if unknown := sorted(arguments.keys() - allowed):
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}: this call takes {', '.join(sorted({*allowed, *own}))}"
        )
    return cast(ScoreArguments, arguments)
