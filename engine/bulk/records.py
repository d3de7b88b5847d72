"""Reads files of documents a few at a time: JSON lines, or Parquet where pyarrow is installed."""

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InvalidDocuments, InvalidInput
from ..extras import install
from ..images.data_urls import data_url_bytes
from ..text.surrogates import without_surrogates
from .document import Document, refused
from .pictures import PictureFile

# Choices: Parquet is read that many rows at a time, some megabytes of text or of pictures, and a column's bytes not by
# groups of rows, which may be whole files, but that many at a time.
_ROWS_AT_A_TIME = 1024
_PICTURED_ROWS_AT_A_TIME = 16
_BYTES_AT_A_TIME = 2**20

# In bytes, of Linux and most others.
_LONGEST_PATH, _LONGEST_NAME = 4095, 255

# How a file of another encoding begins, with a mark or with the brace of its first line.
_MARKS = (
    *((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32")),
    *((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")),
    *((b"{\0\0\0", "UTF-32"), (b"\0\0\0{", "UTF-32"), (b"{\0", "UTF-16"), (b"\0{", "UTF-16")),
)

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class _Fields(msgspec.Struct):
    text: str | None = None
    id: str | int | None = None
    image: Any = None
    images: list[Any] | None = None


_LINE = msgspec.json.Decoder(_Fields)


def read_lines(path: Path) -> Iterator[Document]:
    """The documents of a file with one JSON object a line; blank lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                if encoding := next((name for mark, name in _MARKS if line.startswith(mark)), None):
                    raise InvalidDocuments(f"{path} is {encoding}: save it as UTF-8.")
                line = line.removeprefix(codecs.BOM_UTF8)  # some editors begin a file with one
            if line.isspace():
                continue
            place = f"line {number}"
            try:
                fields = _fields(line)
            except msgspec.ValidationError as error:
                raise _no_document(place, path, str(error)) from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise InvalidDocuments(
                    f'Line {number} of {path} is not JSON: write one {{"id": …, "text": …}} a line, as UTF-8.'
                ) from None
            yield _document(path, place, number, fields)


def _fields(line: bytes) -> _Fields:
    """A line's fields. Raises what msgspec raises."""
    try:
        return _LINE.decode(line)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return _LINE.decode(without_surrogates(line))


def read_rows(path: Path) -> Iterator[Document]:
    """The documents of a Parquet file, one a row."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InvalidDocuments(f"{path} is Parquet: run `{install('parquet')}`, or write it as JSON lines.") from None
    try:
        with ParquetFile(path, buffer_size=_BYTES_AT_A_TIME, pre_buffer=False) as file:
            columns = [name for name in file.schema_arrow.names if name in _Fields.__struct_fields__]
            pictured = "image" in columns or "images" in columns
            rows = _PICTURED_ROWS_AT_A_TIME if pictured else _ROWS_AT_A_TIME
            number = 0
            for batch in file.iter_batches(rows, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    place = f"row {number}"
                    yield _document(path, place, number, _converted(row, place, path))
    except ArrowException as error:
        raise InvalidDocuments(f"{path} cannot be read: {error}.") from None


def _converted(row: dict[str, Any], place: str, path: Path) -> _Fields:
    try:
        return msgspec.convert(row, _Fields)
    except msgspec.ValidationError as error:
        raise _no_document(place, path, str(error)) from None


def _document(path: Path, place: str, number: int, fields: _Fields) -> Document:
    images = [*([] if fields.image is None else [fields.image]), *(fields.images or [])]
    if fields.text is None and not images:
        raise _no_document(place, path, "it has no text and no image")
    try:
        pictures = tuple(_picture(image, path.parent) for image in images)
    except InvalidInput as error:
        raise refused(path, place, error) from None
    document_id = str(number if fields.id is None else fields.id)
    return Document(path, place, document_id, fields.text or "", pictures)


def _picture(image: object, folder: Path) -> PictureFile:
    """What an `image` names or holds. `folder` is where paths start. Raises `InvalidInput`."""
    match image:
        case bytes(data) | {"bytes": bytes(data)}:
            return PictureFile(data)
        case str(name) | {"path": str(name)}:
            return _named(name, folder)
        case _:
            raise InvalidInput(
                "An image is the path of its file or a data URL, and in Parquet also its file's bytes or a struct of "
                "bytes and path: write one of those."
            )


def _named(name: str, folder: Path) -> PictureFile:
    """A picture by its data URL or its path. Raises `InvalidInput`."""
    if name[:5].lower() == "data:":
        return PictureFile(data_url_bytes(name))
    if _URL.match(name):
        raise InvalidInput(
            "Its image is a URL, and nothing is fetched: save it as a file and write its path, or write a data URL."
        )
    if len(os.fsencode(name)) > _LONGEST_PATH or any(
        len(os.fsencode(part)) > _LONGEST_NAME for part in name.split("/")
    ):
        raise InvalidInput(
            "Its image is longer than any path: write the path of a file, or a data URL, which begins with "
            "data:image/png;base64, say."
        )
    return PictureFile(folder / name)


def _no_document(place: str, path: Path, why: str) -> InvalidDocuments:
    """msgspec says such as "Expected `str`, got `int` - at `$.text`"."""
    return InvalidDocuments(
        f"{place.capitalize()} of {path} is no document: {why.replace('`', '')}; it must be "
        '{"id": …, "text": …, "image": …} with a text, an image or both, the text a string, the image a path or a data '
        "URL, and the id a string, a whole number or left out."
    )
