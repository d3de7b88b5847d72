"""Reads documents, whatever holds them: JSON lines, Parquet, pictures, PDFs, or a folder of those."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import InvalidDocuments
from .document import Document
from .folders import has_documents, read_file, read_folder
from .records import read_lines, read_rows


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a folder, a picture or a PDF, or a file of records, told by its suffix.

    Records are `{"id": …, "text": …, "image": …}` each, with a text, an image or both, or several `images`; other
    fields are passed over. Paths of images start where the file is. A number for an id is taken for its digits; a
    document without one has the number of its line or row, from 1. What is no record of that kind, and what cannot be
    read, raises `InvalidDocuments`. Pictures are not looked at before they are asked for.
    """
    try:
        if path.is_dir():
            yield from read_folder(path)
        elif has_documents(path):
            yield from read_file(path, path.parent)
        elif path.suffix == ".parquet":
            yield from read_rows(path)
        else:
            yield from read_lines(path)
    except OSError as error:
        raise InvalidDocuments(f"{path} cannot be read: {error.strerror or error}.") from None
