"""Documents are read from Parquet as from JSON lines; `test_index` has what cannot be read."""

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from engine import Image, InvalidDocuments, InvalidInput
from engine.bulk.document import Document
from engine.bulk.reading import read_documents
from engine.images.decode import decode
from tests.engine.images.pictures import picture, saved

BYTES = [saved(picture("RGB", 12, 10 + number, number), "PNG") for number in range(3)]
IMAGES = [decode(data) for data in BYTES]
URL = "data:image/png;base64," + base64.b64encode(BYTES[0]).decode()


def written(folder: Path, columns: dict[str, Any]) -> Path:
    file = folder / "docs.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file


def fields(document: Document) -> tuple[str, str, str, list[Image]]:
    return document.place, document.id, document.text, [one.image() for one in document.pictures]


def test_parquet_is_read_as_json_lines_are(tmp_path: Path) -> None:
    def read(columns: dict[str, list[Any]]) -> list[Any]:
        return [fields(document)[:3] for document in read_documents(written(tmp_path, columns))]

    columns = {"title": ["x", "y", "z"], "id": ["a", None, "c"], "text": ["1", "2", "3"]}
    assert read(columns) == [("row 1", "a", "1"), ("row 2", "2", "2"), ("row 3", "c", "3")]
    assert read({"text": ["1"], "id": [7]}) == [("row 1", "7", "1")]
    with pytest.raises(InvalidDocuments, match=r"Row 2 of .* is no document: it has no text and no image; it must be"):
        read({"text": ["1", None]})
    with pytest.raises(InvalidDocuments, match=r"Row 1 of .* is no document: it has no text and no image"):
        read({"id": ["1"]})
    with pytest.raises(
        InvalidDocuments, match=r"Row 1 of .* is no document: Expected str \| null, got int - at \$.text"
    ):
        read({"text": [5]})
    (tmp_path / "docs.parquet").write_text("not Parquet")
    with pytest.raises(InvalidDocuments, match="cannot be read: Parquet magic bytes not found"):
        list(read_documents(tmp_path / "docs.parquet"))


def test_images_of_json_lines_are_paths_and_data_urls(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.png").write_bytes(BYTES[1])
    elsewhere = tmp_path / "c: http"
    elsewhere.write_bytes(BYTES[2])
    lines = [
        {"id": "a", "image": URL},
        {"image": "below/b.png", "text": "both", "width": 3},
        {"id": "c", "image": str(elsewhere), "text": None},
        {"id": "d", "images": ["c: http", URL]},
        {"id": "e", "image": URL.replace("data:", "DATA:"), "images": ["below/b.png"], "text": "three"},
        {"id": "f", "image": None, "images": [], "text": ""},
    ]
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [fields(document) for document in read_documents(tmp_path / "docs.jsonl")] == [
        ("line 1", "a", "", [IMAGES[0]]),
        ("line 2", "2", "both", [IMAGES[1]]),
        ("line 3", "c", "", [IMAGES[2]]),
        ("line 4", "d", "", [IMAGES[2], IMAGES[0]]),
        ("line 5", "e", "three", [IMAGES[0], IMAGES[1]]),
        ("line 6", "f", "", []),
    ]


def test_images_of_parquet_are_bytes_too(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(BYTES[1])
    # As Hugging Face's datasets write them.
    structs = [{"bytes": BYTES[0], "path": "gone.png"}, {"bytes": None, "path": "b.png"}, None]
    for columns, want in [
        ({"image": BYTES}, [[IMAGES[0]], [IMAGES[1]], [IMAGES[2]]]),
        ({"image": pyarrow.array(BYTES, pyarrow.large_binary())}, [[IMAGES[0]], [IMAGES[1]], [IMAGES[2]]]),
        ({"image": structs, "text": ["", "", "c"]}, [[IMAGES[0]], [IMAGES[1]], []]),
        ({"images": [BYTES[:2], None, []], "text": ["", "b", "c"]}, [[IMAGES[0], IMAGES[1]], [], []]),
        ({"image": ["b.png", URL]}, [[IMAGES[1]], [IMAGES[0]]]),
    ]:
        found = [fields(document) for document in read_documents(written(tmp_path, columns))]
        assert [images for _, _, _, images in found] == want


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({}, "is no document: it has no text and no image; it must be"),
        ({"images": []}, "is no document: it has no text and no image; it must be"),
        ({"images": "a.png"}, "is no document: Expected array | null, got str - at $.images; it must be"),
        ({"image": 5}, "cannot be used: An image is the path of its file or a data URL, and in Parquet also"),
        ({"image": {"bytes": None, "path": None}}, "cannot be used: An image is the path of its file or a data URL"),
        ({"images": [URL, ["b.png"]]}, "cannot be used: An image is the path of its file or a data URL"),
        (
            {"image": "https://a.example/b.png"},
            "cannot be used: Its image is a URL, and nothing is fetched: save it as",
        ),
        ({"image": "HTTP://a.example/b.png"}, "cannot be used: Its image is a URL, and nothing is fetched"),
        ({"image": "file:///b.png"}, "cannot be used: Its image is a URL, and nothing is fetched"),
        ({"image": "data:image/png,abc"}, "cannot be used: The data URL is not in base64"),
        ({"image": URL.partition(",")[2] * 9}, "cannot be used: Its image is longer than any path: write the path"),
        ({"image": "a/" * 3000}, "cannot be used: Its image is longer than any path: write the path"),
    ],
    ids=str,
)
def test_images_that_are_none_are_one_sentence(tmp_path: Path, line: object, sentence: str) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text(json.dumps({"text": "a"}) + "\n\n" + json.dumps(line))
    with pytest.raises(InvalidDocuments) as refused:
        list(read_documents(file))
    assert str(refused.value).startswith(f"Line 3 of {file} {sentence}")


def test_what_is_nested_too_deeply_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    file.write_text(f'{{"text": "a", "more": {"[" * 5000}{"]" * 5000}}}')
    with pytest.raises(InvalidDocuments, match=r"^Line 1 of .* is not JSON"):
        list(read_documents(file))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    for before in ("", " \n"):
        file.write_text(f'\ufeff{before}{{"text": "a"}}\n{{"text": "b"}}\n', encoding="utf-8")
        assert [document.text for document in read_documents(file)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gone.png", "The picture {folder}/gone.png cannot be read: No such file or directory."),
        ("", "The picture {folder} cannot be read: it is no file."),
        ("/dev/zero", "The picture /dev/zero cannot be read: it is no file."),
        ("a\0b", "The picture {folder}/a\0b cannot be read: it is no file."),
        ("docs.jsonl", "The image is no PNG, JPEG, WEBP, GIF, BMP or TIFF file: send one of those."),
        ("data:;base64,", "The image is empty: send the bytes of its file."),
    ],
)
def test_what_is_no_picture_is_one_sentence_by_its_header(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"image": name}))
    (document,) = read_documents(tmp_path / "docs.jsonl")
    for ask in (document.pictures[0].size, document.pictures[0].image):
        with pytest.raises(InvalidInput) as refused:
            ask()
        assert str(refused.value) == sentence.format(folder=tmp_path)


def test_few_pictures_of_a_parquet_file_are_in_memory(tmp_path: Path) -> None:
    """Also where they are all in one group of rows."""
    size = 2**20
    images = [bytes(size - 1) + bytes([number]) for number in range(64)]
    file = tmp_path / "docs.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"image": images}), file, compression=None, use_dictionary=False, write_batch_size=1
    )
    assert pyarrow.parquet.ParquetFile(file).num_row_groups == 1
    ordinary = pyarrow.default_memory_pool()
    counting = pyarrow.proxy_memory_pool(ordinary)
    pyarrow.set_memory_pool(counting)
    try:
        assert sum(bool(document.pictures) for document in read_documents(file)) == 64
    finally:
        pyarrow.set_memory_pool(ordinary)
    assert 16 * size <= counting.max_memory() < 48 * size


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_file_of_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"text": "a"}\n', encoding=encoding)
    with pytest.raises(InvalidDocuments, match=rf"docs\.jsonl is {encoding[:6].upper()}: save it as UTF-8\."):
        list(read_documents(file))
