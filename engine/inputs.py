"""From a request's texts to inputs of the graph, for models without a score template."""

from collections.abc import Sequence

from .artifact import PairLayout, TextLayout
from .errors import InvalidInput
from .layout import Input, Truncation, lay_out_pair, lay_out_text
from .tokenizer import Tokenizer


def pair_inputs(
    tokenizer: Tokenizer, layout: PairLayout, queries: Sequence[str], documents: Sequence[str], limits: Truncation
) -> list[Input]:
    """An input for each query with the document beside it. Raises as `lay_out_pair`."""
    ids = tokenizer.encode([*queries, *documents])
    return [
        lay_out_pair(query, document, layout, limits)
        for query, document in zip(ids[: len(queries)], ids[len(queries) :], strict=True)
    ]


def text_inputs(
    tokenizer: Tokenizer,
    layout: TextLayout,
    texts: Sequence[str],
    limits: Truncation,
    limit: int | None,
    instruction: str | None,
) -> list[Input]:
    """An input for each text, with an instruction in place of the prompt's own. Raises as `lay_out_text`."""
    prompt = layout.prompt
    if instruction is not None and layout.instruction is not None:
        prompt = prompt.replace(layout.instruction, instruction, 1)
    ids = tokenizer.encode([prompt + text for text in texts])
    return [lay_out_text(text, layout, limits, limit) for text in ids]


def listed(texts: str | Sequence[str]) -> Sequence[str]:
    """One text or several as several. Raises `InvalidInput` for none."""
    texts = [texts] if isinstance(texts, str) else texts
    if not texts:
        raise InvalidInput("At least one text must be given")
    return texts


def aligned(queries: str | Sequence[str], documents: str | Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Queries and documents as lists of 1:1, 1:N or N:N texts. Raises `InvalidInput` for other numbers."""
    queries = [queries] if isinstance(queries, str) else queries
    documents = [documents] if isinstance(documents, str) else documents
    if len(queries) == 0:
        raise InvalidInput("At least one text element must be given")
    if len(documents) == 0:
        raise InvalidInput("At least one text_pair element must be given")
    if len(queries) not in (1, len(documents)):
        raise InvalidInput("Input lengths must be either 1:1, 1:N or N:N")
    return queries, documents
