"""Settles what becomes of a request's long documents: as it says, else as the server is set, else as its API does."""

from typing import Literal, NotRequired, Protocol, TypeAlias, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from engine import Chunks, LongDocuments

from ..endpoint import Call
from ..errors import InvalidRequest
from .decoding import fields_of

Habit: TypeAlias = Literal["refuse", "truncate"]
"""What an API does where a request says nothing."""


class AboutChunks(Protocol):
    """The fields of requests that score documents. They are no struct, because a struct has one base, and some have
    another; `ChunksRequest` is that of the rest.

    `long_documents` says what becomes of a document that is longer than the model takes: "refuse", "truncate", or
    "chunk" to score its chunks and take the best. `max_chunks_per_doc` of them are scored at most; it asks for chunks
    where `long_documents` is left out. `chunk_overlap` is in tokens. `return_chunks` tells each chunk and its score.
    """

    long_documents: LongDocuments | None
    max_chunks_per_doc: int | None
    chunk_overlap: int | None
    return_chunks: bool | None


class ChunksRequest(msgspec.Struct, kw_only=True):
    """`AboutChunks`, for requests that have no other base."""

    long_documents: LongDocuments | None = None
    max_chunks_per_doc: int | None = None
    chunk_overlap: int | None = None
    return_chunks: bool | None = None


class LongDocumentArguments(TypedDict):
    """Those of the engine's arguments that settle what becomes of long documents."""

    long_documents: LongDocuments
    max_chunks_per_doc: int | None
    chunk_overlap: int | None
    truncate_prompt_tokens: int | None


class Chunk(msgspec.Struct, frozen=True):
    """A part of a document, its characters (code points) from `start` to `end`, and the score it has by itself."""

    start: int
    end: int
    text: str
    score: float


class ChunksResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the result of one document has besides, where the request asks for chunks. `truncated` says whether text
    after the last of them was not scored."""

    chunks: list[Chunk] | UnsetType = UNSET
    truncated: bool | UnsetType = UNSET


class ToldChunks(TypedDict):
    """The fields of `ChunksResult`."""

    chunks: NotRequired[list[Chunk]]
    truncated: NotRequired[bool]


def refuse_elsewhere(body: bytes, kind: type[msgspec.Struct]) -> None:
    """Raises `InvalidRequest` for a field of `ChunksRequest` in a body whose own type has none of them.

    Other fields that a path does not know are passed over, since clients of one API send them to others. These are
    ScoreRT's own.
    """
    own = kind.__struct_fields__
    named = [name for name in ChunksRequest.__struct_fields__ if name not in own and f'"{name}"'.encode() in body]
    if not named:
        return
    fields = fields_of(body)
    for name in named:
        if bytes(fields.get(name, b"null")) not in (b"null", b"false"):
            raise InvalidRequest(
                f"{name} is for documents that are sent beside a query: leave it out here.", f"body.{name}"
            )


def long_document_arguments(
    request: AboutChunks,
    call: Call,
    *,
    habit: Habit,
    cuts: bool | None = None,
    field: str = "long_documents",
    side: str | None = None,
) -> LongDocumentArguments:
    """The keyword arguments of the engine's `score` and `rerank` that settle it.

    `cuts` is what the request says in its API's own words about texts that are too long, in its `field`; None where it
    says nothing, or its API has no words for it, and then `habit` is what that API does. `side` is where the request
    wants texts cut. Raises `InvalidRequest` where a request contradicts itself.
    """
    way = request.long_documents
    if (way == "refuse" and cuts) or (way == "truncate" and cuts is False):
        raise InvalidRequest(
            f'{field} and long_documents "{way}" contradict each other: leave one of them out.', "body.long_documents"
        )
    if way is None and request.max_chunks_per_doc is not None:
        way = "chunk"
    if way is None and cuts is None and side != "left":
        way = call.limits.long_documents
    if cuts is None:
        cuts = habit == "truncate"
    if way is None:
        way = "truncate" if cuts else "refuse"
    most, overlap = request.max_chunks_per_doc, request.chunk_overlap
    if way == "chunk":
        most = call.limits.max_chunks_per_doc if most is None else most
        overlap = call.limits.chunk_overlap if overlap is None else overlap
    elif request.return_chunks:
        raise InvalidRequest(
            'return_chunks is for chunks: set long_documents to "chunk", or leave it out.', "body.return_chunks"
        )
    return {
        "long_documents": way,
        "max_chunks_per_doc": most,
        "chunk_overlap": overlap,
        # With chunks, too: what is not split, such as a query, is cut where texts are.
        "truncate_prompt_tokens": -1 if way == "truncate" or (way == "chunk" and cuts) else None,
    }


def told_chunks(chunks: Chunks | None, request: AboutChunks) -> ToldChunks:
    """What is told of a document's chunks: nothing where the request does not ask for it."""
    if chunks is None or not request.return_chunks:
        return {}
    told = [Chunk(own.start, own.end, own.text, own.score) for own in chunks.chunks]
    return {"chunks": told, "truncated": chunks.truncated}
