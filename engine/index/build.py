"""Makes an index: embeds a file's documents and writes them to disk, a few at a time."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np

from ..arrays import Floats
from ..bulk.records import Document, read_documents
from ..engine import Engine
from ..errors import InvalidDocuments, InvalidIndex, StagingError
from ..staging import staged
from ..vectors.stored import Store, Stored
from .files import IDS, MANIFEST, SCALES, SCHEMA_VERSION, STARTS, VALUES, IndexManifest, embedder_of
from .ids import Collected, Table, repeated

# Documents and characters that are embedded at a time: enough that all workers are busy, too little to fill memory.
# Choices.
_DOCUMENTS_AT_A_TIME = 256
_CHARACTERS_AT_A_TIME = 262_144

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
    """Write the embeddings of a file's documents into a folder for `Index` to open; it is there whole or not at all.

    Documents that are too long are cut to what the model takes. The file is read twice, so that a line that cannot be
    used is found before anything is computed; memory holds some 50 bytes a document besides those being computed.
    `force` replaces a folder that exists. Raises `InvalidDocuments`, `StagingError`, and
    `InvalidIndex` for a cross-encoder.
    """
    if engine.manifest.scoring.reads_pairs:
        raise InvalidIndex(
            f"{engine.manifest.name} is a cross-encoder, which embeds no documents: index them with a bi-encoder or a "
            "late-interaction model."
        )
    if target.exists() and not force:
        raise StagingError(f"{target} exists already: give another --output, or replace it with --force.")
    ids = _ids(documents)
    with staged(target) as folder:
        ids.astype("<u8", copy=False).tofile(folder / IDS)
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
        )
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _ids(path: Path) -> Table:
    """The table of all ids. Raises `InvalidDocuments`, also where two documents have the same, or there is none."""
    collected = Collected()
    for document in read_documents(path):
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
        for some in _batches(read_documents(documents)):
            rows, lengths = _embedded(engine, [document.text for document in some])
            stored = Stored.of(rows, store)
            values.write(stored.values.astype(stored.values.dtype.newbyteorder("<"), copy=False).data)
            if scales is not None and stored.scales is not None:
                scales.write(stored.scales.astype("<f4", copy=False).data)
            if starts is not None:
                starts.write((vectors + np.cumsum(lengths)).astype("<i8", copy=False).data)
            vectors, dimension, done = vectors + len(rows), rows.shape[1], done + len(some)
            report(done, count)
    if done != count:
        raise InvalidDocuments(f"{documents} has changed while it was read: leave it as it is and start again.")
    return vectors, dimension


def _embedded(engine: Engine, texts: list[str]) -> tuple[Floats, list[int]]:
    """The vectors of all texts `[vectors, dim]`, and how many are each text's."""
    if not engine.manifest.scoring.by_token:
        return engine.embed(texts, truncate_prompt_tokens=-1).embeddings, [1] * len(texts)
    rows = engine.embed_tokens(texts, truncate_prompt_tokens=-1).embeddings
    return np.concatenate(rows), [len(own) for own in rows]


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        if batch and (len(batch) == _DOCUMENTS_AT_A_TIME or characters + len(document.text) > _CHARACTERS_AT_A_TIME):
            yield batch
            batch, characters = [], 0
        batch.append(document)
        characters += len(document.text)
    if batch:
        yield batch
