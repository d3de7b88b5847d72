"""Makes inputs of the graph from a call's texts."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from .arrays import Floats
from .artifact import Manifest, PairLayout, Role, TextLayout
from .content import Content, is_content, text_of, texts_of
from .errors import InvalidInput
from .prompts.template import Prompting, ScoreTemplate
from .text.layout import Input, lay_out_ids, lay_out_pair, lay_out_prompt, lay_out_text
from .text.tokenizer import Tokenizer
from .text.truncation import Truncation

TextOrTokens = Content | Sequence[int]
"""A text, or the token ids of one, which the graph gets as they are."""


class InputBuilder:
    """Tokenises, lays out and cuts texts as one artifact reads them."""

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, template: ScoreTemplate | None) -> None:
        self._manifest = manifest
        self._tokenizer = tokenizer
        self._template = template

    def pairs(
        self, queries: Sequence[str], documents: Sequence[str], limits: Truncation, prompting: Prompting
    ) -> list[Input]:
        """A cross-encoder's input for each query with the document beside it, by its template where it has one.

        Raises as `lay_out_pair`.
        """
        layout = self._pair()
        if self._template is not None:
            return self._template.inputs(queries, documents, limits, prompting)
        prompting.refuse()
        ids = self._tokenizer.encode([*queries, *documents])
        return [
            lay_out_pair(query, document, layout, limits)
            for query, document in zip(ids[: len(queries)], ids[len(queries) :], strict=True)
        ]

    def singles(self, texts: Sequence[str | Sequence[int]], limits: Truncation) -> list[Input]:
        """A cross-encoder's input for each text by itself, without a template."""
        layout = self._pair()
        encoded = iter(self._tokenizer.encode([text for text in texts if isinstance(text, str)]))
        inputs = []
        for text in texts:
            ids = lay_out_prompt(next(encoded), layout).input_ids.tolist() if isinstance(text, str) else text
            inputs.append(self._as_they_are(ids, layout.type_ids[1], limits))
        return inputs

    def texts(
        self, texts: Sequence[str | Sequence[int]], role: Role | None, limits: Truncation, prompting: Prompting
    ) -> list[Input]:
        """An embedder's input for each text, as a query or a document; without a role, as a document with no prompt.

        An instruction takes the place of the prompt's own. Raises as `lay_out_text`.
        """
        layout = self.layout(role or "document")
        layout = layout if role else replace(layout, prompt="", instruction=None)
        prompting.refuse(instructed=layout.instruction is not None)
        prompt = layout.prompt
        if prompting.instruction is not None and layout.instruction is not None:
            prompt = prompt.replace(layout.instruction, prompting.instruction, 1)
        limit = limits.query if role == "query" else limits.document
        encoded = iter(self._tokenizer.encode([prompt + text for text in texts if isinstance(text, str)]))
        return [
            lay_out_text(next(encoded), layout, limits, limit)
            if isinstance(text, str)
            else self._as_they_are(text, 0, limits, layout.adapter or 0)
            for text in texts
        ]

    def scored(self, embeddings: Floats, item: Input, role: Role) -> Floats:
        """An input's token embeddings without those that MaxSim must not see: the skipped tokens'."""
        keep = self.is_scored(item, role)
        return embeddings if keep.all() else embeddings.take(np.flatnonzero(keep), axis=0)

    def is_scored(self, item: Input, role: Role) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of an input's tokens MaxSim sees."""
        return ~np.isin(item.input_ids, self.layout(role).skip)

    def layout(self, role: Role) -> TextLayout:
        """How an embedder reads the texts of a role."""
        layout = self._manifest.query if role == "query" else self._manifest.document
        assert layout is not None, "cross-encoders were told apart before"
        return layout

    def _as_they_are(self, ids: Sequence[int], type_id: int, limits: Truncation, adapter: int = 0) -> Input:
        self._tokenizer.check(ids)
        return lay_out_ids(ids, type_id, limits, adapter)

    def _pair(self) -> PairLayout:
        layout = self._manifest.pair
        assert layout is not None, "embedders were told apart before"
        return layout


def listed(texts: TextOrTokens | Sequence[TextOrTokens]) -> Sequence[str | Sequence[int]]:
    """One text or several as several.

    Raises `InvalidInput` for none, for a text of no tokens, and for what is neither a text nor token ids.
    """
    lone = is_content(texts) or _is_tokens(texts)
    several: object = [texts] if lone else texts
    if not isinstance(several, Sequence) or not all(_is_text_or_tokens(text) for text in several):
        raise InvalidInput("Texts must be a text, a list of token ids, or a list of those.")
    if not several:
        raise InvalidInput("At least one text must be given")
    if any(not isinstance(text, str) and not text for text in several):
        raise InvalidInput("A text given as tokens must have at least one token")
    return [text_of(text) if is_content(text) else text for text in several]


def aligned(
    queries: Content | Sequence[Content], documents: Content | Sequence[Content]
) -> tuple[Sequence[str], Sequence[str]]:
    """Queries and documents as lists of 1:1, 1:N or N:N texts. Raises `InvalidInput` for other numbers."""
    several_queries, several_documents = texts_of(queries, "queries"), texts_of(documents, "documents")
    if len(several_queries) == 0:
        raise InvalidInput("At least one text element must be given")
    if len(several_documents) == 0:
        raise InvalidInput("At least one text_pair element must be given")
    if len(several_queries) not in (1, len(several_documents)):
        raise InvalidInput("Input lengths must be either 1:1, 1:N or N:N")
    return several_queries, several_documents


def _is_tokens(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and isinstance(value[0], int)


def _is_text_or_tokens(value: object) -> bool:
    # No tokens at all have an error of their own.
    return is_content(value) or (isinstance(value, Sequence) and all(isinstance(token, int) for token in value))
