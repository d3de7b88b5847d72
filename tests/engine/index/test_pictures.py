"""Pictures and pages are indexed, and score by their ids as they do when they are sent."""

import base64
import hashlib
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from engine import Engine, Image, Index, InvalidDocuments, InvalidIndex, Text
from engine.__main__ import main
from engine.artifact.artifact import Graph, Manifest
from engine.bulk.pages import read_pages
from engine.bulk.pictures import PictureFile
from engine.index import build
from engine.index.build import build_index
from engine.index.files import embedder_of
from tests.engine.bulk.pdfs import encrypted, pdf, save_pictures
from tests.engine.images.pictures import picture, saved

QUERY = "Which page has the table?"
PICTURES = [picture("RGB", 40 + 9 * number, 90 - 7 * number, number) for number in range(5)]
FILES = [saved(one, "PNG") for one in PICTURES]
URL = "data:image/png;base64," + base64.b64encode(FILES[0]).decode()

Multimodal = Callable[..., tuple[Path, Path]]


@pytest.fixture(scope="module", params=["colqwen2", "clip"])
def engine(request: pytest.FixtureRequest, multimodal: Multimodal) -> Iterator[Engine]:
    engine = Engine.load(multimodal(request.param)[1], threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def colqwen2(multimodal: Multimodal) -> Iterator[Engine]:
    engine = Engine.load(multimodal("colqwen2")[1], threads=1, embedding_cache_bytes=0)
    yield engine
    engine.close()


def by_index(ranking: Any) -> np.ndarray:
    return np.array([ranked.score for ranked in sorted(ranking.results, key=lambda ranked: ranked.index)])


def assert_scores(engine: Engine, folder: Path, documents: dict[str, Any]) -> None:
    """The index in `folder` has these documents, and they score as they do when they are sent."""
    index = Index(folder, engine)
    assert index.manifest.documents == len(documents)
    for query in (QUERY, PICTURES[4]):
        got = index.rerank(query, list(documents))
        want = engine.rerank(query, list(documents.values()))
        np.testing.assert_allclose(by_index(got), by_index(want), rtol=0, atol=1e-4)
        assert got.tokens < want.tokens


def lines(folder: Path, *documents: dict[str, Any]) -> Path:
    file = folder / "docs.jsonl"
    file.write_text("\n".join(map(json.dumps, documents)))
    return file


def test_lines_with_paths_and_data_urls(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.png").write_bytes(FILES[1])
    documents = [{"id": "url", "image": URL}, {"image": "scans/1.png"}, {"id": "text", "text": "A table of horses"}]
    want: dict[str, Any] = {"url": PICTURES[0], "2": PICTURES[1], "text": "A table of horses"}
    if engine.manifest.scoring.by_token:
        documents += [
            {"id": "both", "text": "A table of cows", "image": "scans/1.png"},
            {"id": "several", "images": ["scans/1.png", URL]},
        ]
        want |= {"both": [Text("A table of cows"), PICTURES[1]], "several": [PICTURES[1], PICTURES[0]]}
    build_index(engine, lines(tmp_path, *documents), tmp_path / "index")
    assert_scores(engine, tmp_path / "index", want)


@pytest.mark.parametrize("wrap", [bytes, lambda data: {"bytes": data, "path": None}], ids=["bytes", "struct"])
def test_parquet_with_bytes(engine: Engine, tmp_path: Path, wrap: Callable[[bytes], Any]) -> None:
    columns = {"id": ["a", "b", "c"], "image": [*map(wrap, FILES[:2]), None], "text": [None, None, "A horse"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "docs.parquet")
    build_index(engine, tmp_path / "docs.parquet", tmp_path / "index")
    assert_scores(engine, tmp_path / "index", {"a": PICTURES[0], "b": PICTURES[1], "c": "A horse"})


def test_a_folder_of_pictures_and_pdfs(engine: Engine, multimodal: Multimodal, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "scans" / "below").mkdir(parents=True)
    (tmp_path / "scans" / "below" / "1.png").write_bytes(FILES[1])
    (tmp_path / "scans" / "notes.txt").write_text("not looked at")
    report = save_pictures(tmp_path / "scans" / "report.pdf", *PICTURES[:3])
    artifact = multimodal("colqwen2" if engine.manifest.scoring.by_token else "clip")[1]
    capsys.readouterr()
    arguments = ["index", str(artifact), str(tmp_path / "scans"), "--output", str(tmp_path / "index")]
    assert main([*arguments, "--threads", "1"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "files passed over, since they are neither pictures nor PDFs: 1"
    assert said[1].startswith("4 documents, ")
    pages = {f"report.pdf#page={number}": page.image() for number, page in enumerate(read_pages(report), 1)}
    assert_scores(engine, tmp_path / "index", {"below/1.png": PICTURES[1]} | pages)


def test_a_pdf_by_itself(engine: Engine, tmp_path: Path) -> None:
    report = save_pictures(tmp_path / "report.pdf", *PICTURES[:3])
    build_index(engine, report, tmp_path / "index", "float16")
    ids = [f"report.pdf#page={number}" for number in (1, 2, 3)]
    # The page that shows the picture is the likest; a picture alone is not what a page is, whose sides have no bound.
    likest = Index(tmp_path / "index", engine).rerank([page.image() for page in read_pages(report)][1], ids)
    assert likest.results[0].index == 1


def test_pixels_in_memory_are_bounded(colqwen2: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the pictures that are embedded together, and one more that did not fit."""
    for number in range(12):
        (tmp_path / f"{number:02}.png").write_bytes(saved(picture("RGB", 50, 40, number), "PNG"))
    alive: list[weakref.ref[Any]] = []
    most, batches = 0, []
    decode, embed = PictureFile.image, colqwen2.embed_tokens

    def counted(self: PictureFile) -> Image:
        nonlocal most
        image = decode(self)
        alive.append(weakref.ref(image.pixels))
        most = max(most, sum(one() is not None for one in alive))
        return image

    def embedded(contents: Any, **arguments: Any) -> Any:
        batches.append(len(contents))
        return embed(contents, **arguments)

    monkeypatch.setattr(PictureFile, "image", counted)
    monkeypatch.setattr(colqwen2, "embed_tokens", embedded)
    monkeypatch.setattr(build, "_PIXELS_AT_A_TIME", 3 * 50 * 40)
    build_index(colqwen2, tmp_path, tmp_path / "index")
    assert batches == [3, 3, 3, 3]
    assert len(alive) == 12
    assert most <= 5
    monkeypatch.setattr(build, "_PIXELS_AT_A_TIME", 1)
    build_index(colqwen2, tmp_path, tmp_path / "index", force=True)
    assert batches[4:] == [1] * 12
    monkeypatch.undo()
    monkeypatch.setattr(colqwen2, "embed_tokens", embedded)
    monkeypatch.setattr(build, "_DOCUMENTS_AT_A_TIME", 5)
    build_index(colqwen2, tmp_path, tmp_path / "index", force=True)
    assert batches[16:] == [5, 5, 2]


TALL = saved(picture("RGB", 401, 2, 0), "PNG")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.png", b"", "{file} cannot be used: The image is empty: send the bytes of its file."),
        ("a.png", b"text", "{file} cannot be used: The image is no PNG, JPEG, WEBP, GIF, BMP or TIFF file: send one"),
        ("a.png", TALL, "{file} cannot be used: The image is 2 x 401 pixels, and one side may be at most 200 times"),
        ("a.pdf", encrypted(), "{file} is encrypted: save it without its password."),
        ("a.pdf", b"%PDF-1.4 but no more", "{file} is no PDF, or a damaged one: save it anew."),
        ("a.pdf", pdf([]), "{file} is a PDF without pages: leave it out."),
        ("a.pdf", pdf(["/MediaBox [0 0 1 900]"]), "Page 1 of {file} cannot be used: The image is 2 x 1600 pixels"),
        ("a.jsonl", {"image": "gone.png"}, "Line 300 of {file} cannot be used: The picture {folder}/gone.png cannot"),
        ("a.jsonl", {"image": "http://a.example/b.png"}, "Line 300 of {file} cannot be used: Its image is a URL, and"),
        ("a.jsonl", {"image": "data:,"}, "Line 300 of {file} cannot be used: The data URL is not in base64"),
        ("a.jsonl", {"id": "1", "image": URL}, "Line 1 and line 300 of {file} have the same id, '1'"),
    ],
)
def test_what_cannot_be_used_is_found_before_anything_is_computed(
    engine: Engine, tmp_path: Path, name: str, content: Any, complaint: str
) -> None:
    file = tmp_path / name
    if name.endswith(".jsonl"):
        lines(tmp_path, *({"text": "a"} for _ in range(299)), content).rename(file)
    else:
        file.write_bytes(content)
    reports: list[int] = []
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InvalidDocuments) as refused:
        build_index(engine, file, tmp_path / "index", report=lambda done, of: reports.append(done))
    assert str(refused.value).startswith(complaint.format(file=file, folder=tmp_path))
    assert reports == []
    assert sorted(tmp_path.iterdir()) == before


def test_pixels_that_are_damaged_leave_nothing(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_bytes(FILES[0])
    (tmp_path / "scans" / "b.png").write_bytes(FILES[1][:-100])
    with pytest.raises(
        InvalidDocuments, match=r"^.*/scans/b\.png cannot be used: The image cannot be decoded: its file"
    ):
        build_index(engine, tmp_path / "scans", tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


@pytest.mark.parametrize("document", [{"image": URL, "text": "a"}, {"images": [URL, URL]}], ids=["text", "two"])
def test_a_picture_and_more_for_two_towers(multimodal: Multimodal, tmp_path: Path, document: dict[str, Any]) -> None:
    engine = Engine.load(multimodal("clip")[1], threads=1)
    file = lines(tmp_path, {"text": "a"}, {"image": URL, "text": ""}, document)
    with pytest.raises(InvalidDocuments) as refused:
        build_index(engine, file, tmp_path / "index")
    assert str(refused.value) == (
        f"Line 3 of {file} cannot be used: This model embeds one text or one picture at a time: send them as inputs of "
        "their own."
    )
    engine.close()


def test_pictures_for_a_model_of_texts(artifacts: Callable[[str], Path], tmp_path: Path, capsys: Any) -> None:
    artifact = artifacts("minilm-bi")
    capsys.readouterr()
    (tmp_path / "a.png").write_bytes(FILES[0])
    said = "minilm-bi reads text alone: leave pictures out, or use a multimodal model."
    for documents, where in [
        (tmp_path / "a.png", f"{tmp_path / 'a.png'}"),
        (lines(tmp_path, {"text": "a"}, {"text": "b", "image": URL}), f"Line 2 of {tmp_path / 'docs.jsonl'}"),
        (save_pictures(tmp_path / "b.pdf", PICTURES[0]), f"Page 1 of {tmp_path / 'b.pdf'}"),
    ]:
        arguments = [str(artifact), str(documents), "--output", str(tmp_path / "index")]
        assert main(["index", *arguments]) == 2
        assert capsys.readouterr().err == f"error: {where} cannot be used: {said}\n"


def changed(engine: Engine, **fields: Any) -> Engine:
    """The same graphs, with other fields of the manifest."""
    assert engine._vision is not None
    manifest = msgspec.structs.replace(engine.manifest, **fields)
    return Engine(manifest, engine._opened, engine._tokenizer, vision=engine._vision._opened)


def test_what_the_engine_alone_finds_out_names_the_document(colqwen2: Engine, tmp_path: Path) -> None:
    short = changed(colqwen2, max_length=40)
    file = lines(tmp_path, {"text": "a"}, {"image": URL}, {"images": [URL] * 9}, {"text": "b"}, {"images": [URL] * 8})
    with pytest.raises(InvalidDocuments) as refused:
        build_index(short, file, tmp_path / "index")
    assert str(refused.value).startswith(f"Line 3 of {file} cannot be used: The pictures of one input take ")
    assert str(refused.value).endswith(" and it may have 40: send fewer or smaller pictures.")
    assert [path.name for path in tmp_path.iterdir()] == ["docs.jsonl"]


def test_an_index_belongs_to_how_pictures_are_read(colqwen2: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(FILES[0])
    build_index(colqwen2, tmp_path / "a.png", tmp_path / "index")
    Index(tmp_path / "index", changed(colqwen2, created=0))
    pictures, document = colqwen2.manifest.pictures, colqwen2.manifest.document
    assert pictures is not None
    assert document is not None
    smaller = msgspec.structs.replace(pictures.preprocessing, filter="bilinear")
    (vision,) = (graph.file for graph in colqwen2.manifest.graphs if graph.role == "vision")
    other = msgspec.structs.replace(colqwen2.manifest.files[vision], sha256="0" * 64)
    for fields in (
        {"pictures": msgspec.structs.replace(pictures, preprocessing=smaller)},
        {"document": msgspec.structs.replace(document, caption="What is it?")},
        {"files": colqwen2.manifest.files | {vision: other}},
    ):
        with pytest.raises(InvalidIndex, match="whose graph, tokenizer or prompts are not those of"):
            Index(tmp_path / "index", changed(colqwen2, **fields))


def test_indexes_of_texts_from_before_pictures_stay_valid(artifacts: Callable[[str], Path]) -> None:
    manifest = msgspec.json.decode((artifacts("minilm-colbert") / "manifest.json").read_bytes(), type=Manifest)
    (graph,) = manifest.graphs
    layout = msgspec.to_builtins(manifest.document)
    then = ["prefix", "suffix", "prompt", "instruction", "adapter", "max_length", "expand_to", "expansion_token"]
    then += ["attend_to_expansion", "skip"]
    assert [name for name in layout if name in then] == then
    files = [[name, manifest.files[name].sha256] for name in sorted(_files(manifest, graph))]
    seen = [files, "late-interaction", {name: layout[name] for name in then}, manifest.max_length]
    assert embedder_of(manifest, graph) == hashlib.sha256(msgspec.json.encode(seen)).hexdigest()


def _files(manifest: Manifest, graph: Graph) -> list[str]:
    return [name for name in manifest.files if name == "tokenizer.json" or name.startswith(graph.file)]
