"""Finds the pictures and PDFs of a folder, in the order of their names."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import InvalidDocuments
from ..text.surrogates import is_utf8
from .document import Document
from .pages import read_pages
from .pictures import PictureFile

_PDF = ".pdf"

_PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
"""How names of pictures end that `images.decode` accepts: other names of these formats are rare."""


def has_documents(path: Path) -> bool:
    """Whether a file is a picture or a PDF, by its name."""
    return path.suffix.lower() in (_PDF, *_PICTURES)


def read_file(path: Path, root: Path) -> Iterator[Document]:
    """The one document of a picture, or those of a PDF's pages. Raises `InvalidDocuments`.

    The id is the path from `root`, with `#page=3` for a page, as in a URL (RFC 8118).
    """
    document_id = _id(path, root)
    if path.suffix.lower() != _PDF:
        yield Document(path, "", document_id, pictures=(PictureFile(path),))
        return
    for number, page in enumerate(read_pages(path), 1):
        yield Document(path, f"page {number}", f"{document_id}#page={number}", pictures=(page,))


def read_folder(folder: Path) -> Iterator[Document]:
    """The documents of a folder and of those in it. Raises `InvalidDocuments`."""
    found = False
    for path in _files(folder):
        if has_documents(path):
            found = True
            yield from read_file(path, folder)
    if not found:
        raise InvalidDocuments(f"{folder} has no pictures and no PDFs: give a folder that has some, or a file.")


def passed_over(path: Path) -> int:
    """How many files of a folder are no documents."""
    return sum(not has_documents(file) for file in _files(path)) if path.is_dir() else 0


def _files(folder: Path) -> Iterator[Path]:
    """All files but hidden ones. Links to folders are not followed, since they may lead round in circles."""

    def refuse(error: OSError) -> None:
        raise InvalidDocuments(f"{error.filename} cannot be read: {error.strerror}.") from None

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _id(path: Path, root: Path) -> str:
    document_id = path.relative_to(root).as_posix()
    if not is_utf8(document_id):
        raise InvalidDocuments(f"{str(path)!r} has a name that is no UTF-8: rename it.")
    return document_id
