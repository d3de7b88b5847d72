"""Says how each kind of model reads long documents in chunks: what a chunk may have beside its query, and its input."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .artifact.artifact import PairLayout
from .content import ReadContent, own_text
from .errors import InputTooLong, InvalidInput
from .images.picture import PictureInput
from .job import Job
from .prompts.template import Prompting, ScoreTemplate
from .text.chunking import Chunking, Offsets, Piece, Reader, Split, split
from .text.layout import Input, lay_out_pair
from .text.tokenizer import Tokenizer
from .text.truncation import Truncation, room

# For inputs that are measured after they are laid out.
_UNBOUNDED = 2**62


def split_texts(
    documents: Sequence[ReadContent],
    reader: Callable[[Sequence[int]], Reader],
    whole: Callable[[int], Input | PictureInput],
    chunking: Chunking,
    job: Job,
    most: int | None,
) -> list[Split]:
    """Each document's pieces: those of a text, by a reader for the places of all texts, or a content with pictures.

    `whole` gives the input of the latter. Raises as `split`, and `InvalidInput` where one of those is too long.
    """
    texts = [place for place, document in enumerate(documents) if isinstance(document, str)]
    found = split([own_text(documents[place]) for place in texts], reader(texts), chunking, job, most) if texts else []
    splits = dict(zip(texts, found, strict=True))
    for place, document in enumerate(documents):
        if place not in splits:
            try:
                splits[place] = Split([Piece(0, len(own_text(document)), whole(place))])
            except InputTooLong as error:
                raise InvalidInput(
                    f"A document with pictures has {error.tokens:,} tokens, more than the model takes, and only texts "
                    'are split into chunks: shorten its text, or set long_documents to "truncate".',
                    "long_documents",
                ) from None
    return [splits[place] for place in range(len(documents))]


def unbounded(limits: Truncation) -> Truncation:
    """Limits that cut single texts as `limits` do, and take an input of any length, since not all of it is scored."""
    return replace(limits, max_length=_UNBOUNDED, total=None, job=Job())


class Pairs:
    """Reads chunks for a cross-encoder that gets texts and no prompts."""

    def __init__(
        self, tokenizer: Tokenizer, layout: PairLayout, queries: Sequence[list[int]], limits: Truncation
    ) -> None:
        """`queries` are a token id list for each document."""
        self._tokenizer = tokenizer
        self._layout = layout
        self._queries = queries
        self._limits = limits
        special = len(layout.prefix) + len(layout.middle) + len(layout.suffix)
        self.bare, self.longest = special, limits.max_length
        self.total = limits.max_length if limits.total is None else limits.total
        self._room = self.total - special if limits.total is None else room(limits.total, special)

    def room(self, place: int) -> int:
        query = len(self._queries[place][: self._limits.query])
        # Where inputs may be cut, a query gives way as far as it does for any long document: longest first.
        return self._room - (query if self._limits.total is None else min(query, self._room // 2))

    def offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return self._tokenizer.offsets(texts)

    def lay_out(self, places: Sequence[int], texts: Sequence[str]) -> list[Input | int]:
        laid: list[Input | int] = []
        for place, ids in zip(places, self._tokenizer.encode(texts), strict=True):
            over = len(ids[: self._limits.document]) - self.room(place)
            query = self._queries[place]
            laid.append(over if over > 0 else lay_out_pair(query, ids, self._layout, self._limits))
        return laid


class Prompts:
    """Reads chunks for a cross-encoder with a score template."""

    def __init__(
        self, template: ScoreTemplate, queries: Sequence[ReadContent], limits: Truncation, prompting: Prompting
    ) -> None:
        """`queries` are one for each document."""
        self._template = template
        self._queries = queries
        self._unbounded = unbounded(limits)
        self._prompting = prompting
        (item,) = template.inputs([""], [""], self._unbounded, prompting)
        self.bare, self.longest = len(item), limits.max_length
        self.total = limits.max_length if limits.total is None else limits.total
        if limits.total is not None:
            # Where inputs may be cut, a query is, as beside documents that are not prompted.
            half = max(1, (self.total - self.bare) // 2)
            self._unbounded = replace(self._unbounded, query=min(half, limits.query or half))
        distinct = list(dict.fromkeys(queries))
        items = template.inputs(distinct, [""] * len(distinct), self._unbounded, prompting)
        self._rooms = {query: self.total - len(item) for query, item in zip(distinct, items, strict=True)}

    def room(self, place: int) -> int:
        return self._rooms[self._queries[place]]

    def offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return self._template.offsets(texts)

    def lay_out(self, places: Sequence[int], texts: Sequence[str]) -> list[Input | int]:
        queries = [self._queries[place] for place in places]
        inputs = self._template.inputs(queries, texts, self._unbounded, self._prompting)
        return _measured(inputs, self.total)


class Texts:
    """Reads chunks for an embedder, whatever the query is."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        inputs: Callable[[Sequence[str]], Sequence[Input | PictureInput]],
        total: int,
        longest: int,
        bare: int,
    ) -> None:
        """`inputs` lays texts out without a bound, `total` bounds them and is at most `longest`, `bare` is their
        tokens for no text."""
        self._tokenizer = tokenizer
        self._inputs = inputs
        self.total, self.longest, self.bare = total, longest, bare

    def room(self, place: int) -> int:
        return self.total - self.bare

    def offsets(self, texts: Sequence[str]) -> list[Offsets]:
        return self._tokenizer.offsets(texts)

    def lay_out(self, places: Sequence[int], texts: Sequence[str]) -> list[Input | int]:
        return _measured([item for item in self._inputs(texts) if isinstance(item, Input)], self.total)


def _measured(inputs: Iterable[Input], total: int) -> list[Input | int]:
    return [item if len(item) <= total else len(item) - total for item in inputs]
