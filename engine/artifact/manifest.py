"""Reads an artifact's manifest, and checks what it says and every file that it lists."""

import hashlib
import re
import shlex
from pathlib import Path

import msgspec

from ..errors import ArtifactError
from ..text.surrogates import is_utf8
from .artifact import INDEX_MANIFEST, MANIFEST, READABLE_VERSIONS, TOKENIZER, File, Manifest
from .fitting import check_fit


def sha256(path: Path) -> str:
    """The hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(folder: Path, prefix: str = "") -> dict[str, File]:
    """The manifest's entries for the folder's files whose names begin with `prefix`; folders in it are left out."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name.startswith(prefix)]
    return {path.name: File(sha256=sha256(path), size=path.stat().st_size) for path in paths}


def decode_manifest(folder: Path) -> Manifest:
    """Read what `folder`'s manifest says, and check nothing of it.

    Raises `ArtifactError` for a missing folder, an unknown schema version, or what is no manifest.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if (folder / INDEX_MANIFEST).is_file():
            raise ArtifactError(
                f"{folder} is an index, and no artifact: give the artifact that made it, and the index with --index."
            ) from None
        is_source = (folder / "config.json").is_file() or _HUB_ID.fullmatch(str(folder))
        has_none = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise ArtifactError(
            f"{folder} is not an artifact: {has_none}. Make one with "
            + (
                f"`python -m export {shlex.quote(str(folder))}`, and use models/{folder.name} then."
                if is_source
                else "`python -m export MODEL`."
            )
        ) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        version = msgspec.json.decode(content, type=_Versioned).schema_version
        if version not in READABLE_VERSIONS:
            raise ArtifactError(
                f"{path} has schema version {version}; this ScoreRT reads {_readable()}: "
                "export the model again or install the ScoreRT that made it."
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}. Export the model again.") from None


def read_manifest(folder: Path) -> Manifest:
    """Read `folder`'s manifest and check every file it lists, which takes as long as reading them.

    Raises `ArtifactError` for a missing folder or file, a wrong size or hash, or an unknown schema version.
    """
    manifest = decode_manifest(folder)
    if not is_utf8(str(folder)):
        raise ArtifactError(f"{folder} is not UTF-8, which an artifact's path must be: rename it.")
    path = folder / MANIFEST
    for name, expected in manifest.files.items():
        _check_file(folder / name, expected)
    check_fit(manifest, path)
    for graph in manifest.graphs:
        if graph.verification is None:
            raise ArtifactError(f"{path} has a graph of {graph.precision} that was never verified: export it again.")
        if graph.role == "text" and manifest.scoring.output not in {tensor.name for tensor in graph.outputs}:
            raise ArtifactError(
                f"{path} has a graph of {graph.precision} without the output {manifest.scoring.output}, which a "
                f"{manifest.score_type} is scored by: export it again."
            )
    templates = [manifest.template] if manifest.template is not None else []
    for name in [TOKENIZER, *templates, *(graph.file for graph in manifest.graphs)]:
        if name not in manifest.files:
            raise ArtifactError(f"{path} does not list {name}, so it cannot be trusted: export the model again.")
    return manifest


def _readable() -> str:
    *versions, newest = map(str, READABLE_VERSIONS)
    return f"{', '.join(versions)} and {newest}"


class _Versioned(msgspec.Struct):
    schema_version: int


_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def _check_file(path: Path, expected: File) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: copy the whole artifact, or export the model again.")
    size = path.stat().st_size
    if size != expected.size:
        raise ArtifactError(f"{path} has {size} bytes where its manifest says {expected.size}: copy it again.")
    if sha256(path) != expected.sha256:
        raise ArtifactError(f"{path} does not have the sha256 its manifest gives: copy it again, or export it anew.")
