"""Defines the files of an index, and maps them into memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..artifact.artifact import INDEX_MANIFEST, MANIFEST, TOKENIZER, File, Graph, Manifest
from ..artifact.manifest import sha256
from ..errors import InvalidIndex
from ..runtime.opening import select_vision_graph
from ..score_types import SCORE_TYPES, ScoreTypeName
from ..vectors.stored import Store, Stored
from .ids import Table

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Those of version 1 have no digests of their files."""
IDS, STARTS, VALUES, SCALES = "ids.bin", "starts.bin", "embeddings.bin", "scales.bin"
"""A `Table`; the number of each document's first vector and that of all vectors, int64, for token embeddings;
`Stored.values` and, for int8, `Stored.scales` of all vectors in order. All are little-endian and have no header."""


class IndexManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an index holds and which model made it.

    `vectors` are embeddings, one a document or one a token, of `dimension` numbers. `embedder` is the digest that
    `embedder_of` gives; `model` and `precision` only say in words what it was. `files` are all files beside it.
    """

    schema_version: int
    created: int
    model: str
    precision: str
    embedder: str
    score_type: ScoreTypeName
    store: Store
    documents: int
    vectors: int
    dimension: int
    files: dict[str, File] = {}

    def is_of(self, manifest: Manifest, graph: Graph) -> bool:
        """Whether that model made it, so that its queries can be compared with it."""
        return self.embedder == embedder_of(manifest, graph)


@dataclass(frozen=True, slots=True)
class IndexFiles:
    """An index's files, mapped into memory: nothing is read before it is needed. `starts` is None for bi-encoders."""

    manifest: IndexManifest
    ids: Table
    starts: NDArray[np.int64] | None
    embeddings: Stored


def embedder_of(manifest: Manifest, graph: Graph) -> str:
    """A sha256 of all that a document's embeddings depend on: graphs, tokenizer, layout, longest input, pictures."""
    files = _digests({TOKENIZER: manifest.files[TOKENIZER]} | manifest.files_of(graph))
    layout = msgspec.to_builtins(manifest.document)
    seen = [files, manifest.score_type, layout, manifest.max_length]
    if manifest.truncation != "right":
        seen.append(manifest.truncation)
    vision = select_vision_graph(manifest, graph)
    if vision is not None:
        seen += [_digests(manifest.files_of(vision)), manifest.pictures]
    elif layout is not None:
        # Indexes from before there were pictures stay valid.
        for name in ("pictured", "caption", "blank", "empty"):
            del layout[name]
    return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()


def _digests(files: Mapping[str, File]) -> list[tuple[str, str]]:
    return sorted((name, file.sha256) for name, file in files.items())


def is_index(folder: Path) -> bool:
    """Whether a folder is an index, and no artifact."""
    return (folder / INDEX_MANIFEST).is_file() and not (folder / MANIFEST).is_file()


def open_index(folder: Path) -> IndexFiles:
    """Map an index's files, after checking their sizes. Raises `InvalidIndex`."""
    manifest = read_index_manifest(folder)
    dtype = np.dtype(manifest.store).newbyteorder("<")
    late = SCORE_TYPES[manifest.score_type].by_token
    starts = _mapped(folder / STARTS, "<i8", (manifest.documents + 1,)) if late else None
    if manifest.vectors != (manifest.documents if starts is None else starts[-1]):
        raise InvalidIndex(
            f"{folder / INDEX_MANIFEST} has {manifest.documents:,} documents and {manifest.vectors:,} vectors, which "
            "do not go together: copy it again, or make the index again."
        )
    return IndexFiles(
        manifest,
        ids=_mapped(folder / IDS, "<u8", (3, manifest.documents)),
        starts=starts,
        embeddings=Stored(
            _mapped(folder / VALUES, dtype, (manifest.vectors, manifest.dimension)),
            _mapped(folder / SCALES, "<f4", (manifest.vectors,)) if manifest.store == "int8" else None,
        ),
    )


def check_files(folder: Path) -> IndexManifest:
    """Read an index's files and compare them with the digests that its manifest gives, which opening it does not, since
    it may be larger than memory. Raises `InvalidIndex`.
    """
    manifest = open_index(folder).manifest
    for name, expected in manifest.files.items():
        if not (folder / name).is_file() or sha256(folder / name) != expected.sha256:
            raise InvalidIndex(
                f"{folder / name} does not have the sha256 that {INDEX_MANIFEST} gives: copy it again, or make the "
                "index again."
            )
    return manifest


def read_index_manifest(folder: Path) -> IndexManifest:
    """What an index's folder says of itself. Raises `InvalidIndex`."""
    path = folder / INDEX_MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        has_none = f"it has no {INDEX_MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise InvalidIndex(f"{folder} is not an index: {has_none}. Make one with `python -m engine index`.") from None
    except OSError as error:
        raise InvalidIndex(f"{path} cannot be read: {error.strerror}.") from None
    try:
        manifest = msgspec.json.decode(content, type=IndexManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidIndex(f"{path} cannot be read: {error}. Make the index again.") from None
    if manifest.schema_version not in READABLE_VERSIONS:
        raise InvalidIndex(
            f"{path} has schema version {manifest.schema_version}; this ScoreRT reads "
            f"{' and '.join(map(str, READABLE_VERSIONS))}: make the index again."
        )
    return manifest


def _mapped(path: Path, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    expected = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.is_file() or path.stat().st_size != expected:
        raise InvalidIndex(
            f"{path} does not have the {expected:,} bytes that its {INDEX_MANIFEST} says: copy it again."
        )
    # As a plain array, whose slices cost less than a memmap's.
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))
