"""Indexes made by the command and read by the engine; what cannot be one is refused and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import Engine, Index, InvalidIndex, InvalidInput
from engine.__main__ import main
from engine.index.build import build_index
from tests.e2e.server import ROOT

QUERY = "What is the capital of France?"
DOCUMENTS = [
    {"id": "brazil", "text": "The capital of Brazil is Brasilia."},
    {"id": 17, "text": "Paris is the capital of France."},
    {"text": "Horses and cows"},
    {"id": "long", "text": "Long ago in Paris. " * 200},
    {"id": "", "text": "", "title": "nothing"},
    {"id": "ünï\n", "text": "Über den Dächern von Paris"},
]
IDS = ["brazil", "17", "3", "long", "", "ünï\n"]

Artifacts = Callable[[str], Path]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("documents") / "docs.jsonl"
    file.write_text("\n".join(json.dumps(document) for document in DOCUMENTS) + "\n\n")
    return file


@pytest.fixture(scope="module", params=["minilm-bi", "minilm-colbert"])
def engine(request: pytest.FixtureRequest, artifacts: Artifacts) -> Iterator[Engine]:
    engine = Engine.load(artifacts(request.param))
    yield engine
    engine.close()


def by_index(ranking: Any) -> np.ndarray:
    return np.array([ranked.score for ranked in sorted(ranking.results, key=lambda ranked: ranked.index)])


# How far scores may be off: of a cosine, or of a query token's share of MaxSim, where all vectors are of length 1. The
# rounding of float16 is 2^-11 of each element, and that of int8 half of 1/127 of a vector's largest.
@pytest.mark.parametrize(("store", "off"), [("float32", 1e-6), ("float16", 2**-11), ("int8", 1e-2)])
def test_documents_named_score_as_documents_sent(
    engine: Engine, documents: Path, tmp_path: Path, store: Any, off: float
) -> None:
    manifest = build_index(engine, documents, tmp_path / "index", store)
    index = Index(tmp_path / "index", engine)
    assert manifest == index.manifest
    assert manifest.documents == len(DOCUMENTS)
    texts = [str(document["text"]) for document in DOCUMENTS]
    want = engine.rerank(QUERY, texts, truncate_prompt_tokens=-1)
    late = engine.manifest.score_type == "late-interaction"
    embedded = (engine.embed_tokens if late else engine.embed)(QUERY, role="query")
    got = index.rerank(QUERY, IDS)
    np.testing.assert_allclose(by_index(got), by_index(want), rtol=0, atol=off * (embedded.tokens[0] if late else 1))
    assert [one.index for one in got.results][:2] == [one.index for one in want.results][:2]
    assert got.tokens == embedded.tokens[0]
    backwards = index.rerank(QUERY, [*IDS[::-1], IDS[1]], top_n=2)
    assert {one.index for one in backwards.results} == {4, 6}
    with pytest.raises(InvalidInput, match=r"no document with the id 'none'\.") as refused:
        index.rerank(QUERY, ["17", "none"])
    assert refused.value.parameter == "document_ids"
    assert by_index(index.rerank(QUERY, [17])).tolist() == by_index(index.rerank(QUERY, ["17"])).tolist()
    for ids in ("17", [17.0], [None]):
        with pytest.raises(InvalidInput, match=r"^document_ids must be a list of strings or whole numbers\."):
            index.rerank(QUERY, ids)  # type: ignore[arg-type]


def test_another_model_is_refused(artifacts: Artifacts, documents: Path, tmp_path: Path) -> None:
    """Also one with the same graph whose documents have another prompt."""
    bi = Engine.load(artifacts("minilm-bi"))
    colbert = Engine.load(artifacts("minilm-colbert"))
    build_index(bi, documents, tmp_path / "index")
    assert bi.manifest.document is not None
    layout = msgspec.structs.replace(bi.manifest.document, prompt="passage: ")
    manifest = msgspec.structs.replace(bi.manifest, document=layout)
    prompted = Engine(manifest, bi._opened, bi._tokenizer)
    for other in (colbert, prompted):
        with pytest.raises(InvalidIndex, match=r"was made by minilm-bi \(fp32\), whose graph, tokenizer or prompts"):
            Index(tmp_path / "index", other)
    (tmp_path / "index" / "embeddings.bin").write_bytes(b"short")
    with pytest.raises(InvalidIndex, match=r"embeddings\.bin does not have the 9,216 bytes"):
        Index(tmp_path / "index", bi)
    with pytest.raises(InvalidIndex, match=r"is not an index: it has no index\.json"):
        Index(tmp_path, bi)
    (tmp_path / "index" / "index.json").write_bytes(b'{"model": "\xff"}')
    with pytest.raises(InvalidIndex, match=r"index\.json cannot be read: .* Make the index again\."):
        Index(tmp_path / "index", bi)
    bi.close()
    colbert.close()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"text": "a"}\nnope\n', "Line 2 of {file} is not JSON"),
        (b'{"text": "\xff"}\n', "Line 1 of {file} is not JSON"),
        ('\n{"id": "a"}\n', "Line 2 of {file} is no document: it has no text and no image; it must be"),
        ('{"text": 1}', "Line 1 of {file} is no document: Expected str | null, got int - at $.text"),
        ('{"text": "a", "id": 1.5}', "Line 1 of {file} is no document: Expected int | str | null, got float - at $.id"),
        ('{"text": "a"}\n{"text": "b", "id": 1}', "Line 1 and line 2 of {file} have the same id, '1'"),
        ("\n", "{file} has no documents"),
        (None, "{file} cannot be read: No such file or directory."),
    ],
)
def test_documents_that_cannot_be_read_are_one_sentence(
    artifacts: Artifacts, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, complaint: str
) -> None:
    file = tmp_path / "docs.jsonl"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = list(tmp_path.iterdir())
    assert main(["index", str(artifacts("minilm-bi")), str(file), "--output", str(tmp_path / "index")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {complaint.format(file=file)}")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == before


def test_a_damaged_index_is_refused(engine: Engine, documents: Path, tmp_path: Path) -> None:
    manifest = build_index(engine, documents, tmp_path / "index")
    Index(tmp_path / "index", engine)
    file = tmp_path / "index" / "index.json"
    whole = file.read_text()
    numbers = manifest.vectors * manifest.dimension
    for vectors in (1, 2 * manifest.vectors, manifest.vectors * manifest.dimension):
        file.write_text(json.dumps(json.loads(whole) | {"vectors": vectors, "dimension": numbers // vectors}))
        with pytest.raises(InvalidIndex, match="which do not go together: copy it again"):
            Index(tmp_path / "index", engine)
    file.write_text('{"a":' * 100_000)
    with pytest.raises(InvalidIndex, match="cannot be read"):
        Index(tmp_path / "index", engine)
    file.write_text(whole)
    vectors = tmp_path / "index" / "embeddings.bin"
    vectors.write_bytes(b"\xff" * vectors.stat().st_size)
    with pytest.raises(InvalidIndex, match="has vectors that are no numbers: copy it again"):
        Index(tmp_path / "index", engine).rerank(QUERY, ["17"])


def test_an_index_is_verified_by_its_digests(
    engine: Engine, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    manifest = build_index(engine, documents, folder, "int8")
    assert set(manifest.files) == {path.name for path in folder.iterdir()} - {"index.json"}
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == f"{len(manifest.files)} files have the sizes and sha256 that index.json gives\n"
    for name in manifest.files:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        assert main(["verify", str(folder)]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {folder / name} does not have the sha256 that index.json gives: copy it again")
        (folder / name).write_bytes(whole)


def test_an_index_of_the_first_version_is_read(
    engine: Engine, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    build_index(engine, documents, folder)
    want = by_index(Index(folder, engine).rerank(QUERY, IDS))
    fields = json.loads((folder / "index.json").read_text())
    del fields["files"]
    (folder / "index.json").write_text(json.dumps(fields | {"schema_version": 1}))
    assert np.array_equal(by_index(Index(folder, engine).rerank(QUERY, IDS)), want)
    assert main(["verify", str(folder)]) == 0
    assert "it has no sha256 of them" in capsys.readouterr().out


def test_a_cross_encoder_and_a_folder_that_exists_are_refused(
    artifacts: Artifacts, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(documents), "--output", str(tmp_path)]
    assert main(["index", str(artifacts("minilm-ce")), str(documents), "--output", str(tmp_path / "new")]) == 2
    assert "is a cross-encoder, which embeds no documents" in capsys.readouterr().err
    assert main(["index", str(artifacts("minilm-bi")), *arguments]) == 2
    assert "exists already: give another --output, or replace it with --force." in capsys.readouterr().err
    assert main(["index", str(artifacts("minilm-bi")), *arguments, "--force"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    assert (tmp_path / "index.json").exists()


@pytest.mark.slow
def test_an_interrupted_build_leaves_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text("".join(json.dumps({"text": f"{number} " + "word " * 40}) + "\n" for number in range(20_000)))
    command = [sys.executable, "-m", "engine", "index", artifacts("minilm-bi"), file, "--output", tmp_path / "index"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".index.*.partial/ids.bin")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.endswith("interrupted: no index was written.\n")
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == [file]
