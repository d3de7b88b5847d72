"""Splits documents that are longer than an input into chunks, each of which is read as a document of its own.

The tokens of what is left of a document say about where its next chunk ends, and a sentence or a word where exactly.
The chunk is then laid out by itself, and made shorter until it fits.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol, TypeAlias, TypeVar

from ..arguments import ScoreArguments, whole
from ..errors import InvalidInput
from ..images.picture import PictureInput
from ..job import Job
from .boundaries import first_boundary, is_between_characters, last_boundary
from .layout import Input

# Choices, all of them. How many chunks a document has at most where a call does not say, as in the first version of
# Cohere's API, and how many tokens neighbours have in common.
DEFAULT_CHUNKS = 10
DEFAULT_OVERLAP = 0
# The tokens that a chunk must have room for; fewer would say too little to be scored.
_LEAST_ROOM = 8
_SHORTENS_QUERY = "max_tokens_per_query"
# The characters that are tokenised to find one token's worth of text, at first and at most. Text has some 1 to 6; the
# most is for white space, and for long words that a vocabulary has one unknown token for.
_FIRST_CHARACTERS = 6
_MOST_CHARACTERS = 64
# The documents that are looked at between two looks at whether the job goes on.
_AT_A_TIME = 128

T = TypeVar("T")

_BEGIN = itemgetter(0)
# The characters that are looked at in one call, which other threads wait for. A choice.
_STRETCH = 2**16

Offsets: TypeAlias = list[tuple[int, int]]
"""Where tokens begin and end in their text, in characters."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """Into how many chunks a document is split at most, and how many tokens neighbours have in common at most."""

    chunks: int
    overlap: int


def chunking(max_length: int, arguments: ScoreArguments) -> Chunking | None:
    """The call's, checked; None where it does not ask for chunks."""
    chunks = whole(arguments.get("max_chunks_per_doc"), "max_chunks_per_doc")
    overlap = whole(arguments.get("chunk_overlap"), "chunk_overlap")
    for name, value in (("max_chunks_per_doc", chunks), ("chunk_overlap", overlap)):
        if value is not None and arguments.get("long_documents") != "chunk":
            raise InvalidInput(f"{name} is for chunks: set long_documents to 'chunk', or leave it out.", name)
    if chunks is not None and chunks < 1:
        raise InvalidInput("max_chunks_per_doc must be at least 1.", "max_chunks_per_doc")
    if overlap is not None and not 0 <= overlap < max_length:
        raise InvalidInput(
            f"chunk_overlap must be 0 or more tokens, and less than max_model_len ({max_length}).", "chunk_overlap"
        )
    if arguments.get("long_documents") != "chunk":
        return None
    return Chunking(chunks or DEFAULT_CHUNKS, DEFAULT_OVERLAP if overlap is None else overlap)


@dataclass(frozen=True, slots=True)
class Piece:
    """A document's characters from `start` to `end`, and the input that is made of them, or of one with pictures."""

    start: int
    end: int
    item: Input | PictureInput


@dataclass(slots=True)
class Split:
    """A document's pieces in order, at least one, and whether text after the last is left out."""

    pieces: list[Piece] = field(default_factory=list)
    truncated: bool = False


class Reader(Protocol):
    """How a call's documents are read. A document is named by its place in the call."""

    bare: int
    """The tokens of an input without its texts."""
    total: int
    """Those that an input may have."""
    longest: int
    """Those that `total` may be raised to."""

    def room(self, place: int) -> int:
        """About how many tokens a document may have."""

    def offsets(self, texts: Sequence[str]) -> list[Offsets]:
        """Where each text's tokens are."""

    def lay_out(self, places: Sequence[int], texts: Sequence[str]) -> list[Input | int]:
        """The input of each text as that document, or how many tokens it has too many."""


def split(
    documents: Sequence[str], reader: Reader, chunking: Chunking, job: Job, most: int | None = None
) -> list[Split]:
    """Each document's pieces, of its first `most` tokens alone where that is given.

    A document that fits has one piece, and is read as if nothing were split. White space at the ends of chunks is in
    none. Raises `InvalidInput` where a query leaves no room, and as `Job.bound`.
    """
    splits = [Split() for _ in documents]
    rooms = [reader.room(place) for place in range(len(documents))]
    ends = _ends(documents, reader, most)
    short = [place for place, end in enumerate(ends) if end <= rooms[place] * _MOST_CHARACTERS]
    laid: dict[int, Input | int] = {}
    for some in _some_at_a_time(short):
        job.check()
        heads = [documents[place][: None if most is None else most * _MOST_CHARACTERS] for place in some]
        laid |= zip(some, reader.lay_out(some, heads), strict=True)
    rests = []
    for place, end in enumerate(ends):
        item = laid.get(place)
        if isinstance(item, Input):
            splits[place].pieces.append(Piece(0, end, item))
        else:
            _check_room(rooms[place], reader)
            rests.append(_Rest(place, documents[place][:end], rooms[place]))
    while rests:
        _bound(splits, job)
        for found in _some_at_a_time(rests):
            job.check()
            _find_next(found, splits, reader, chunking.overlap)
        rests = [own for own in rests if not own.is_done and len(splits[own.place].pieces) < chunking.chunks]
    for place, own in enumerate(splits):
        if not own.pieces:  # of a long document without a token
            (item,) = reader.lay_out([place], [""])
            assert isinstance(item, Input), "its query leaves room"
            own.pieces.append(Piece(0, 0, item))
            continue
        own.truncated = _past_space(documents[place], own.pieces[-1].end) < len(documents[place])
    _bound(splits, job)
    return splits


def _check_room(room: int, reader: Reader) -> None:
    """Raises `InvalidInput` where there is too little for a chunk, which names what takes it."""
    if room >= _LEAST_ROOM:
        return
    least = reader.bare + _LEAST_ROOM
    if least <= reader.total:
        raise InvalidInput(
            f"The query leaves room for {max(room, 0)} tokens of a long document, and its chunks need {_LEAST_ROOM}: "
            "shorten the query.",
            _SHORTENS_QUERY,
            _SHORTENS_QUERY,
        )
    has = f"an input has {reader.bare} tokens without its texts, and chunks of a long document need {_LEAST_ROOM}"
    if least <= reader.longest:
        raise InvalidInput(f"truncate_prompt_tokens must be at least {least}: {has}.", "truncate_prompt_tokens")
    raise InvalidInput(f"{has.capitalize()}, more than the {reader.total} that it may have: shorten the instruction.")


def _ends(documents: Sequence[str], reader: Reader, most: int | None) -> list[int]:
    """Where the first `most` tokens of each document end."""
    if most is None:
        return [*map(len, documents)]
    heads = [text[: most * _MOST_CHARACTERS] for text in documents]
    return [
        own[most][0] if len(own) > most else len(head) for head, own in zip(heads, reader.offsets(heads), strict=True)
    ]


def _some_at_a_time(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_A_TIME):
        yield items[start : start + _AT_A_TIME]


def _bound(splits: Sequence[Split], job: Job) -> None:
    tokens = [piece.item.tokens for own in splits for piece in own.pieces]
    job.bound(len(tokens), sum(tokens))


class _Rest:
    """What is left of a document, from `start` on."""

    def __init__(self, place: int, text: str, room: int) -> None:
        self.place = place
        self.text = text
        self.start = 0
        self._read = 0
        self._room = self._allowed = room
        self._characters = room * _FIRST_CHARACTERS
        self.skip_to(0)

    @property
    def is_done(self) -> bool:
        return self.start == len(self.text)

    @property
    def window(self) -> str:
        """What the next chunk is at the beginning of."""
        return self.text[self.start : self.start + self._characters]

    def end(self, offsets: Offsets) -> int | None:
        """Where the next chunk ends, from the window's tokens; None where it takes another window to tell."""
        most = min(self.start + self._characters, len(self.text))
        if len(offsets) > self._allowed:
            most = self.start + max(1, _begin_of(self._allowed, offsets))
        elif most < len(self.text) and self._characters < self._room * _MOST_CHARACTERS:
            self._characters = min(4 * self._characters, self._room * _MOST_CHARACTERS)
            return None
        if most > self._read:
            end = last_boundary(self.text, max((self.start + most) // 2, self._read), most)
            if self.start >= self._read or is_between_characters(self.text, end):
                return end
        # What two chunks would have in common leaves no room for what comes after it.
        self.skip_to(self._read)
        return None

    def shorten(self, tokens: int, over: int) -> None:
        """Allow the next chunk fewer tokens: one of that many was `over` too long. Raises `InvalidInput` for one."""
        if self._allowed == 1:
            raise InvalidInput(
                "A single character of a document does not fit beside the query: shorten the query.",
                _SHORTENS_QUERY,
                _SHORTENS_QUERY,
            )
        # In proportion, since templates may write a document twice.
        tokens = min(tokens, self._allowed)
        self._allowed = max(1, min(tokens - 1, tokens * tokens // (tokens + over)))

    def go_on(self, end: int, offsets: Offsets, overlap: int) -> None:
        """Begin again where the chunk ended, or before by up to `overlap` of its tokens, and of half of them."""
        tokens = _tokens_before(end - self.start, offsets)
        self._allowed = self._room
        # As many characters as the next has if its tokens are as long, and a quarter more.
        likely = self._room * (end - self.start) * 5 // (4 * tokens)
        self._characters = min(likely + _MOST_CHARACTERS, self._room * _MOST_CHARACTERS)
        common = min(overlap, tokens // 2)
        begun = self.start
        self.skip_to(end)
        self._read = self.start
        if common and not self.is_done:
            first = tokens - common
            # Several tokens may be of one character, which is in both chunks with all of them or in one.
            least = max(_begin_of(first, offsets), _begin_of(first - 1, offsets) + 1)
            self.skip_to(first_boundary(self.text, begun + least, end))

    def skip_to(self, place: int) -> None:
        """Go on from there, or from the first character after it that is no white space."""
        self.start = _past_space(self.text, place)
        if place < self.start < len(self.text) and not is_between_characters(self.text, self.start):
            self.start -= 1  # an accent stands on the space


def _past_space(text: str, place: int) -> int:
    """The first place from `place` on without white space, or the text's end."""
    for start in range(place, len(text), _STRETCH):
        stretch = text[start : start + _STRETCH]
        if rest := stretch.lstrip():
            return start + len(stretch) - len(rest)
    return len(text)


def _find_next(rests: Sequence[_Rest], splits: Sequence[Split], reader: Reader, overlap: int) -> None:
    """Find the next chunk of each document, or come nearer to it."""
    ends: list[tuple[_Rest, int, Offsets]] = []
    for own, offsets in zip(rests, reader.offsets([own.window for own in rests]), strict=True):
        end = own.end(offsets)
        if end is not None and _tokens_before(end - own.start, offsets) == 0:
            own.skip_to(end)
        elif end is not None:
            ends.append((own, end, offsets))
    texts = [own.text[own.start : end].rstrip() for own, end, _ in ends]
    laid = reader.lay_out([own.place for own, _, _ in ends], texts)
    for (own, end, offsets), text, item in zip(ends, texts, laid, strict=True):
        if isinstance(item, Input):
            splits[own.place].pieces.append(Piece(own.start, own.start + len(text), item))
            own.go_on(end, offsets, overlap)
        else:
            own.shorten(_tokens_before(end - own.start, offsets), item)


def _begin_of(token: int, offsets: Offsets) -> int:
    """Where a token begins. The bytes of unknown characters in a row all have the whole row, and are spread over it."""
    begin, end = offsets[token]
    first, last = bisect_left(offsets, begin, key=_BEGIN), bisect_right(offsets, begin, key=_BEGIN)
    return begin + (end - begin) * (token - first) // (last - first)


def _tokens_before(place: int, offsets: Offsets) -> int:
    """How many tokens begin before a place, as `_begin_of` has it."""
    last = bisect_left(offsets, place, key=_BEGIN)
    if last == 0 or offsets[last - 1][1] <= place:
        return last
    begin, end = offsets[last - 1]
    first = bisect_left(offsets, begin, key=_BEGIN)
    return first - (begin - place) * (last - first) // (end - begin)
