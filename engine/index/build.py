"""Makes an index: embeds documents of a file or folder and writes them to disk, a few at a time."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ..arrays import Floats
from ..artifact.artifact import INDEX_MANIFEST, Manifest
from ..artifact.manifest import files_of
from ..bulk.document import Document
from ..bulk.reading import read_documents
from ..content import Content, Text
from ..engine import Engine
from ..errors import Cancelled, InvalidDocuments, InvalidIndex, InvalidInput
from ..job import Job
from ..staging import refuse_taken, staged
from ..vectors.stored import Store, Stored
from .files import IDS, SCALES, SCHEMA_VERSION, STARTS, VALUES, IndexManifest, embedder_of
from .ids import Collected, Table, repeated

# Documents, characters and pixels that are embedded at a time: enough that all workers are busy, too little to fill
# memory; the pixels are those of 18 pages, 100 MB. Choices.
_DOCUMENTS_AT_A_TIME = 256
_CHARACTERS_AT_A_TIME = 262_144
_PIXELS_AT_A_TIME = 2**25

Report = Callable[[int, int], None]
"""Hears how many documents of how many are done."""


def build_index(
    engine: Engine,
    documents: Path,
    target: Path,
    store: Store = "float32",
    *,
    force: bool = False,
    report: Report = lambda done, of: None,
) -> IndexManifest:
    """Write the embeddings of `documents` into a folder for `Index` to open; it is there whole or not at all.

    They are what `read_documents` reads. Texts that are too long are cut to what the model takes. All is read twice, so
    that what cannot be used is found before anything is computed, as far as a picture's header tells; memory holds some
    50 bytes a document besides those being computed.
    `force` replaces a folder that exists. Raises `InvalidDocuments`, `StagingError`, and
    `InvalidIndex` for a cross-encoder.
    """
    if engine.manifest.scoring.reads_pairs:
        raise InvalidIndex(
            f"{engine.manifest.name} is a cross-encoder, which embeds no documents: index them with a bi-encoder or a "
            "late-interaction model."
        )
    if not force:
        refuse_taken(target)
    ids = _ids(documents, engine.manifest)
    with staged(target, replace=force) as folder:
        # Not by numpy, whose error does not say what the system said.
        (folder / IDS).write_bytes(ids.astype("<u8", copy=False).data)
        vectors, dimension = _write_embeddings(engine, documents, folder, store, ids.shape[1], report)
        manifest = IndexManifest(
            schema_version=SCHEMA_VERSION,
            created=int(time.time()),
            model=engine.manifest.name,
            precision=engine.graph.precision,
            embedder=embedder_of(engine.manifest, engine.graph),
            score_type=engine.manifest.score_type,
            store=store,
            documents=ids.shape[1],
            vectors=vectors,
            dimension=dimension,
            files=files_of(folder),
        )
        (folder / INDEX_MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _ids(path: Path, manifest: Manifest) -> Table:
    """The table of all ids. Raises `InvalidDocuments`, also where two documents have the same, or there is none."""
    collected = Collected()
    for document in read_documents(path):
        _check(document, manifest)
        collected.add(document.id)
    if not len(collected):
        raise InvalidDocuments(f'{path} has no documents: write one {{"id": …, "text": …}} a line.')
    table = collected.table()
    if (same := repeated(table)) is not None:
        first, second = (document for number, document in enumerate(read_documents(path)) if number in same)
        raise InvalidDocuments(
            f"{first.place.capitalize()} and {second.place} of {path} have the same id, {first.id!r}: give each "
            "document its own."
        )
    return table


def _check(document: Document, manifest: Manifest) -> None:
    """Raises `InvalidDocuments` for pictures that the model does not take, as far as their headers tell."""
    if not document.pictures:
        return
    try:
        if manifest.pictures is None:
            raise InvalidInput(f"{manifest.name} reads text alone: leave pictures out, or use a multimodal model.")
        manifest.pictures.check_together(len(document.pictures), document.text)
        for picture in document.pictures:
            manifest.pictures.preprocessing.grid(*picture.size())
    except InvalidInput as error:
        raise document.refused(error) from None


def _write_embeddings(
    engine: Engine, documents: Path, folder: Path, store: Store, count: int, report: Report
) -> tuple[int, int]:
    """Append all embeddings to their files. Returns how many vectors there are, and of how many numbers."""
    late = engine.manifest.scoring.by_token
    vectors = dimension = done = 0
    with ExitStack() as files:
        values = files.enter_context((folder / VALUES).open("wb"))
        scales = files.enter_context((folder / SCALES).open("wb")) if store == "int8" else None
        starts = files.enter_context((folder / STARTS).open("wb")) if late else None
        if starts is not None:
            starts.write(np.zeros(1, "<i8").tobytes())
        for some in _batches(map(_read, read_documents(documents))):
            rows, lengths = _embedded(engine, some)
            stored = Stored.of(rows, store)
            values.write(stored.values.astype(stored.values.dtype.newbyteorder("<"), copy=False).data)
            if scales is not None and stored.scales is not None:
                scales.write(stored.scales.astype("<f4", copy=False).data)
            if starts is not None:
                starts.write((vectors + np.cumsum(lengths)).astype("<i8", copy=False).data)
            vectors, dimension, done = vectors + len(rows), rows.shape[1], done + len(some)
            report(done, count)
            del some  # before the next are decoded
    if done != count:
        raise InvalidDocuments(f"{documents} has changed while it was read: leave it as it is and start again.")
    return vectors, dimension


class _Read(NamedTuple):
    """A document whose pictures are decoded, without them, and its content with them, of so many pixels."""

    document: Document
    content: Content
    pixels: int


def _read(document: Document) -> _Read:
    """Raises `InvalidDocuments` for a picture that cannot be read."""
    if not document.pictures:
        return _Read(document, document.text, 0)
    try:
        images = [picture.image() for picture in document.pictures]
    except InvalidInput as error:
        raise document.refused(error) from None
    text = [Text(document.text)] if document.text else []
    return _Read(replace(document, pictures=()), [*images, *text], sum(image.height * image.width for image in images))


def _batches(documents: Iterable[_Read]) -> Iterator[list[_Read]]:
    batch: list[_Read] = []
    characters = pixels = 0
    for one in documents:
        characters, pixels = characters + len(one.document.text), pixels + one.pixels
        if batch and (
            len(batch) == _DOCUMENTS_AT_A_TIME or characters > _CHARACTERS_AT_A_TIME or pixels > _PIXELS_AT_A_TIME
        ):
            yield batch
            batch, characters, pixels = [], len(one.document.text), one.pixels
        batch.append(one)
    if batch:
        yield batch


def _embedded(engine: Engine, documents: list[_Read]) -> tuple[Floats, list[int]]:
    """The vectors of all documents `[vectors, dim]`, and how many are each one's. Raises `InvalidDocuments`."""
    contents = [one.content for one in documents]
    try:
        if not engine.manifest.scoring.by_token:
            return engine.embed(contents, truncate_prompt_tokens=-1).embeddings, [1] * len(contents)
        rows = engine.embed_tokens(contents, truncate_prompt_tokens=-1).embeddings
        return np.concatenate(rows), [len(own) for own in rows]
    except InvalidInput as error:
        raise _first_refused(engine, documents).refused(error) from None


class _LaidOut(Job):
    """Ends when its inputs are laid out, before any is computed."""

    def submit(self, lengths: list[int]) -> None:
        raise Cancelled


def _first_refused(engine: Engine, documents: list[_Read]) -> Document:
    """Which of several documents the engine refuses."""
    embed = engine.embed_tokens if engine.manifest.scoring.by_token else engine.embed
    for one in documents:
        try:
            embed([one.content], truncate_prompt_tokens=-1, job=_LaidOut())
        except Cancelled:
            continue
        except InvalidInput:
            return one.document
    raise AssertionError("the engine refuses contents one by one")
