"""The pictures and PDFs of a folder, of folders in it, and by themselves."""

import os
from pathlib import Path

import pytest

from engine import InvalidDocuments
from engine.bulk.folders import passed_over
from engine.bulk.reading import read_documents
from engine.images.decode import decode
from tests.engine.bulk.pdfs import save_pictures
from tests.engine.images.pictures import picture, saved

DATA = saved(picture("RGB", 12, 10, 3), "PNG")


def ids(path: Path) -> list[str]:
    return [document.id for document in read_documents(path)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    for name in ("b/2.png", "b/10.JPEG", "b/deep/x.tif", "a.Gif", "z.webp", "ü.bmp", ".hidden/a.png", "b/.png.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(DATA)
    for name in ("notes.txt", "b/docs.jsonl", "b/.DS_Store", "png"):
        (folder / name).write_bytes(b"")
    save_pictures(folder / "b" / "c.PDF", *(picture("RGB", 20, 30, number) for number in range(2)))
    (folder / "round").symlink_to(folder)
    (folder / "linked.png").symlink_to(folder / "a.Gif")
    return folder


def test_ids_are_paths_in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = ["a.Gif", "linked.png", "z.webp", "ü.bmp"]
    want += ["b/10.JPEG", "b/2.png", "b/c.PDF#page=1", "b/c.PDF#page=2", "b/deep/x.tif"]
    assert ids(folder) == want
    monkeypatch.chdir(folder)
    assert ids(Path(".")) == want
    assert ids(Path("b")) == [name.removeprefix("b/") for name in want if name.startswith("b/")]
    for document in read_documents(Path("z.webp")):
        assert document.pictures[0].size() == (12, 10)
        assert document.pictures[0].image() == decode(DATA)


def test_what_is_no_document_is_counted(folder: Path) -> None:
    assert passed_over(folder) == 3
    assert passed_over(folder / "b" / "deep") == 0
    assert passed_over(folder / "notes.txt") == 0


def test_a_file_by_itself_has_its_name(folder: Path) -> None:
    assert ids(folder / "a.Gif") == ["a.Gif"]
    assert ids(folder / "b" / "c.PDF") == ["c.PDF#page=1", "c.PDF#page=2"]


def test_a_folder_without_documents_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_bytes(b"")
    with pytest.raises(InvalidDocuments) as refused:
        ids(tmp_path)
    assert str(refused.value) == (f"{tmp_path} has no pictures and no PDFs: give a folder that has some, or a file.")


def test_a_name_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.png"
    with open(name, "wb") as file:
        file.write(DATA)
    for path in (tmp_path, Path(os.fsdecode(name))):
        with pytest.raises(InvalidDocuments, match=r"\.png' has a name that is no UTF-8: rename it\.$"):
            ids(path)
