"""Makes inputs of the graphs from a call's contents."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias, TypeGuard, TypeVar

import numpy as np
from msgspec.structs import replace

from .arrays import Floats
from .artifact.artifact import Manifest, PairLayout, Role, TextLayout
from .content import (
    Content,
    Pictured,
    ReadContent,
    is_content,
    is_one_of_several,
    read_content,
    read_contents,
    texts_of_column,
)
from .errors import InvalidInput
from .images.picture import PictureInput
from .job import Job
from .long_documents import Pairs, Prompts, Texts, split_texts, unbounded
from .prompts.captions import Captions
from .prompts.template import Prompting, ScoreTemplate
from .text.chunking import Chunking, Reader, Split
from .text.layout import Input, lay_out_ids, lay_out_pair, lay_out_prompt, lay_out_text
from .text.long_texts import LongTexts
from .text.tokenizer import Tokenizer
from .text.truncation import Side, Truncation

ContentOrTokens: TypeAlias = Content | Sequence[int]
"""A content, or the token ids of a text, which the graph gets as they are."""

ReadInput: TypeAlias = ReadContent | Sequence[int]

AnyInput: TypeAlias = Input | PictureInput
"""What is computed of one content: tokens by the text graph, or a picture by the vision graph alone."""

Known = TypeVar("Known", bound=ReadInput)
Laid = TypeVar("Laid", Input, AnyInput)


class InputBuilder:
    """Tokenises, lays out and cuts contents as one artifact reads them."""

    def __init__(self, manifest: Manifest, tokenizer: Tokenizer, template: ScoreTemplate | None) -> None:
        self._manifest = manifest
        self._tokenizer = tokenizer
        self._template = template
        self._long_texts = LongTexts(tokenizer)
        self._captions = Captions.of(manifest, tokenizer)

    def pairs(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
    ) -> list[Input]:
        """A cross-encoder's input for each query with the document beside it, by its template where it has one.

        Raises as `lay_out_pair`.
        """
        layout = self._pair()
        self._check([*queries, *documents])
        if self._template is not None:
            return _listed(self._template.inputs(queries, documents, limits, prompting), limits.job)
        prompting.refuse()
        texts = [
            *self._bounded(queries, limits, limits.query),
            *self._bounded(documents, limits, limits.document),
        ]
        ids = self._tokenizer.encode(texts, limits.job, limits.max_length)
        pairs = zip(ids[: len(queries)], ids[len(queries) :], strict=True)
        return _listed((lay_out_pair(query, document, layout, limits) for query, document in pairs), limits.job)

    def split_pairs(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
        chunking: Chunking,
    ) -> list[Split]:
        """As `pairs`, with a piece for each chunk of a document that is too long. Raises as `split_texts`."""
        self._check([*queries, *documents])

        def reader(places: Sequence[int]) -> Reader:
            own = [queries[place] for place in places]
            if self._template is not None:
                return Prompts(self._template, own, limits, prompting)
            prompting.refuse()
            texts = self._bounded(own, limits, limits.query)
            ids = self._tokenizer.encode(texts, limits.job, limits.max_length)
            return Pairs(self._tokenizer, self._pair(), ids, limits)

        def whole(place: int) -> Input:
            return self.pairs([queries[place]], [documents[place]], limits, prompting)[0]

        splits = split_texts(documents, reader, whole, chunking, limits.job, limits.document)
        _listed((piece.item for own in splits for piece in own.pieces), limits.job)
        return splits

    def split_documents(self, documents: Sequence[ReadContent], limits: Truncation, chunking: Chunking) -> list[Split]:
        """As `contents` of documents, with a piece for each chunk of one that is too long. Raises as `split_texts`."""
        layout = self.layout("document")
        longest = min(limits.max_length, layout.max_length or limits.max_length)
        total = longest if limits.total is None else min(limits.total, longest)
        prompt = len(self._tokenizer.encode([layout.prompt])[0])

        def lay_out(texts: Sequence[str]) -> list[AnyInput]:
            return self.contents(texts, "document", unbounded(limits), Prompting(), cut=False)

        def whole(place: int) -> AnyInput:
            return self.contents([documents[place]], "document", limits, Prompting())[0]

        special = len(layout.prefix) + prompt + len(layout.suffix)
        if layout.blank is not None:
            special = len(lay_out([""])[0])
        reader = Texts(self._tokenizer, lay_out, total, longest, special)
        # What is kept of a document's text is counted with its prompt, as without chunks.
        most = None if limits.document is None else max(1, limits.document - prompt)
        return split_texts(documents, lambda places: reader, whole, chunking, limits.job, most)

    def singles(self, texts: Sequence[ReadInput], limits: Truncation) -> list[Input]:
        """A cross-encoder's input for each text by itself, without a template and what comes after its prompts.

        Raises `InvalidInput` for pictures, and as `lay_out_ids`.
        """
        layout = replace(self._pair(), end=[])
        if any(isinstance(text, Pictured) for text in texts):
            raise InvalidInput("A picture is scored with a query and not by itself: use score or rerank.")
        encoded = iter(self._tokenizer.encode(self._bounded(texts, limits), limits.job, limits.max_length))

        def laid_out(text: ReadInput) -> Input:
            ids: Sequence[int] = text if _is_tokens(text) else lay_out_prompt(next(encoded), layout).input_ids.tolist()
            return self._as_they_are(ids, layout.type_ids[1], limits)

        return _listed(map(laid_out, texts), limits.job)

    def contents(
        self,
        contents: Sequence[ReadInput],
        role: Role | None,
        limits: Truncation,
        prompting: Prompting,
        *,
        cut: bool = True,
    ) -> list[AnyInput]:
        """An embedder's input for each content, as a query or a document.

        Without a role it is a document's, and has no prompt but one that both sides have: that says how the model is
        spoken to. Pictures keep theirs. An instruction takes the place of the prompt's own. Without `cut` a text is
        longer than its layout lets it be where `limits` do. Raises as `lay_out_text`.
        """
        self._check(contents)
        if role not in (None, "query", "document"):
            raise InvalidInput(f"The role is 'query' or 'document', not {role!r}.", "role")
        layout = self.layout(role or "document")
        if not cut:
            layout = replace(layout, max_length=None)
        if role is None and layout.prompt != self.layout("query").prompt:
            layout = replace(layout, prompt="", instruction=None)
        prompting.refuse(instructed=layout.instruction is not None)
        prompt = layout.prompt
        if prompting.instruction is not None and layout.instruction is not None:
            prompt = prompt.replace(layout.instruction, prompting.instruction, 1)
        limit = limits.query if role == "query" else limits.document
        texts = [prompt + (text or layout.empty) for text in contents if isinstance(text, str) and layout.blank is None]
        side: Side = "right"
        if limits.text_side == "left":
            # The call's own limit comes first, at the text's end.
            own, side = (limit, "right") if limit is not None else (layout.max_length, "left")
        else:
            own = min((most for most in (limit, layout.max_length) if most is not None), default=None)
        bounded = self._bounded(texts, limits, own, side)
        encoded = iter(self._tokenizer.encode(bounded, limits.job, limits.max_length))

        def laid_out(content: ReadInput) -> AnyInput:
            match content:
                case str() if layout.blank is not None:
                    assert self._captions is not None, "only models that read pictures have a blank one"
                    return self._captions.beside_blank(content, prompt, role or "document", limits, limit)
                case str():
                    return lay_out_text(next(encoded), layout, limits, limit)
                case Pictured():
                    assert self._captions is not None, "a model for texts alone refused it"
                    return self._captions.lay_out(content, role or "document", limits, limit, prompting)
                case _:
                    return self._as_they_are(content, 0, limits, layout.adapter or 0)

        return _listed(map(laid_out, contents), limits.job)

    def scored(self, embeddings: Floats, item: Input, role: Role) -> Floats:
        """An input's token embeddings without those that MaxSim must not see: the skipped tokens'."""
        keep = self.is_scored(item, role)
        return embeddings if keep.all() else embeddings.take(np.flatnonzero(keep), axis=0)

    def is_scored(self, item: Input, role: Role) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of an input's tokens MaxSim sees."""
        return ~np.isin(item.input_ids, self.layout(role).skip)

    def count(self, text: str, most: int, job: Job) -> int:
        """How many tokens a text has, up to `most`."""
        enough = self._long_texts.bounded(text, Truncation(most, total=most, job=job))
        (ids,) = self._tokenizer.encode([enough], job)
        return min(most, len(ids))

    def layout(self, role: Role) -> TextLayout:
        """How an embedder reads the texts of a role."""
        layout = self._manifest.query if role == "query" else self._manifest.document
        assert layout is not None, "cross-encoders were told apart before"
        return layout

    def _check(self, contents: Sequence[Known]) -> None:
        """Raises `InvalidInput` for a picture where the model reads text alone."""
        if self._manifest.pictures is None and any(isinstance(content, Pictured) for content in contents):
            raise InvalidInput(
                f"{self._manifest.architecture} reads text alone: leave pictures out, or use a multimodal model."
            )

    def _bounded(
        self, contents: Iterable[ReadInput], limits: Truncation, own: int | None = None, own_side: Side = "right"
    ) -> list[str]:
        """The texts among contents, as `LongTexts.bounded` has them."""
        texts = [content for content in contents if isinstance(content, str)]
        bounded = {text: self._long_texts.bounded(text, limits, own, own_side) for text in dict.fromkeys(texts)}
        return [bounded[text] for text in texts]

    def _as_they_are(self, ids: Sequence[int], type_id: int, limits: Truncation, adapter: int = 0) -> Input:
        self._tokenizer.check(ids)
        return lay_out_ids(ids, type_id, limits, adapter)

    def _pair(self) -> PairLayout:
        layout = self._manifest.pair
        assert layout is not None, "embedders were told apart before"
        return layout


def _listed(inputs: Iterable[Laid], job: Job) -> list[Laid]:
    """The inputs of a call, counted while they are made.

    Raises `InvalidInput` for one of no tokens, where nothing is put around texts, and what `job.check` raises.
    """
    made: list[Laid] = []
    tokens = 0
    for item in inputs:
        if not len(item):
            raise InvalidInput("An empty text has no tokens that this model could read: send one that says something.")
        made.append(item)
        tokens += item.tokens
        job.check(tokens)
    return made


def listed(contents: ContentOrTokens | Sequence[ContentOrTokens]) -> list[ReadInput]:
    """One content or several as several, their pictures decoded.

    Raises `InvalidInput` for none, for a text of no tokens, and for what is neither a content nor token ids.
    """
    lone = is_content(contents) or _is_tokens(contents)
    several: object = [contents] if lone else texts_of_column(contents)
    if not isinstance(several, Sequence) or not all(_is_content_or_tokens(content) for content in several):
        raise InvalidInput("Texts must be a text, a list of token ids, a picture, or a list of those.")
    if not several:
        raise InvalidInput("At least one text or picture must be given")
    if any(not is_one_of_several(content) and not content for content in several):
        raise InvalidInput("A text given as tokens must have at least one token")
    return [content if _is_tokens(content) else read_content(content) for content in several]


def aligned(
    queries: Content | Sequence[Content], documents: Content | Sequence[Content]
) -> tuple[Sequence[ReadContent], Sequence[ReadContent]]:
    """Queries and documents as lists of 1:1, 1:N or N:N contents. Raises `InvalidInput` for other numbers."""
    several_queries, several_documents = read_contents(queries, "queries"), read_contents(documents, "documents")
    if len(several_queries) == 0:
        raise InvalidInput("At least one text element must be given")
    if len(several_documents) == 0:
        raise InvalidInput("At least one text_pair element must be given")
    if len(several_queries) not in (1, len(several_documents)):
        raise InvalidInput("Input lengths must be either 1:1, 1:N or N:N")
    return several_queries, several_documents


def _is_tokens(value: object) -> TypeGuard[Sequence[int]]:
    return _may_be_tokens(value) and len(value) > 0 and isinstance(value[0], int)


def _is_content_or_tokens(value: object) -> bool:
    # No tokens at all have an error of their own.
    return is_one_of_several(value) or (_may_be_tokens(value) and all(isinstance(token, int) for token in value))


def _may_be_tokens(value: object) -> TypeGuard[Sequence[object]]:
    # The bytes of a file are numbers, too.
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)
