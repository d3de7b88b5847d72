"""Reads files of documents a few at a time: JSON lines, or Parquet where pyarrow is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import InvalidDocuments

# A choice: Parquet is read that many rows at a time, some megabytes of text.
_ROWS_AT_A_TIME = 1024


class Document(NamedTuple):
    """`place` says where in its file it stands, such as "line 7"."""

    place: str
    id: str
    text: str


class _Fields(msgspec.Struct):
    text: str
    id: str | int | None = None


_LINE = msgspec.json.Decoder(_Fields)


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a file, `{"id": …, "text": …}` each; other fields are passed over, and so are blank lines.

    Parquet is told by the suffix. A number for an id is taken for its digits; a document without one has the number of
    its line or row, from 1. Raises `InvalidDocuments` for a line or row that is no document.
    """
    try:
        yield from _rows(path) if path.suffix == ".parquet" else _lines(path)
    except OSError as error:
        raise InvalidDocuments(f"{path} cannot be read: {error.strerror or error}.") from None


def _lines(path: Path) -> Iterator[Document]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                fields = _LINE.decode(line)
            except msgspec.ValidationError as error:
                raise _refused(f"Line {number}", path, error) from None
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise InvalidDocuments(
                    f'Line {number} of {path} is not JSON: write one {{"id": …, "text": …}} a line, as UTF-8.'
                ) from None
            yield _document(f"line {number}", number, fields)


def _rows(path: Path) -> Iterator[Document]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InvalidDocuments(f"{path} is Parquet: install scorert[parquet], or write it as JSON lines.") from None
    try:
        with ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name in _Fields.__struct_fields__]
            number = 0
            for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield _document(f"row {number}", number, _converted(row, number, path))
    except ArrowException as error:
        raise InvalidDocuments(f"{path} cannot be read: {error}.") from None


def _converted(row: dict[str, Any], number: int, path: Path) -> _Fields:
    try:
        return msgspec.convert(row, _Fields)
    except msgspec.ValidationError as error:
        raise _refused(f"Row {number}", path, error) from None


def _document(place: str, number: int, fields: _Fields) -> Document:
    return Document(place, str(number if fields.id is None else fields.id), fields.text)


def _refused(place: str, path: Path, error: msgspec.ValidationError) -> InvalidDocuments:
    """`error` says such as "Expected `str`, got `int` - at `$.text`"."""
    return InvalidDocuments(
        f'{place} of {path} is no document: {str(error).replace("`", "")}; it must be {{"id": …, "text": …}}, the text '
        "a string and the id a string, a whole number or left out."
    )
