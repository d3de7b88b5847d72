"""A bit that flips anywhere in an artifact never changes a score: the artifact is refused, or scores as before."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import ArtifactError, Engine
from engine.artifact.artifact import MANIFEST
from engine.artifact.seal import SEAL
from tests.manifests import edit_manifest

QUERY, DOCUMENTS = "what is it", ["a picture of a cat", "nothing", ""]


@pytest.fixture(scope="module")
def artifact(multimodal: Callable[..., tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with everything that an artifact may hold: two graphs, a tokenizer, a template and how pictures are read."""
    _, made = multimodal("qwen3-vl-reranker")
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("damage") / "artifact"))


def _scores(folder: Path) -> np.ndarray:
    engine = Engine.load(folder, threads=1)
    try:
        return engine.score(QUERY, DOCUMENTS).scores
    finally:
        engine.close()


@pytest.fixture(scope="module")
def wanted(artifact: Path) -> np.ndarray:
    return _scores(artifact)


def test_the_artifact_holds_everything(artifact):
    names = {path.name for path in artifact.iterdir()}
    assert {MANIFEST, SEAL, "tokenizer.json", "score_template.jinja"} < names
    assert sum(name.endswith(".onnx") for name in names) == 2


@settings(max_examples=150)
@given(data=st.data())
def test_a_flipped_bit_is_refused_by_the_files_name_or_changes_nothing(artifact, wanted, data):
    path = data.draw(st.sampled_from(sorted(path for path in artifact.iterdir() if path.is_file())), "file")
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1), "byte")
    changed = bytearray(content)
    changed[at] ^= 1 << data.draw(st.integers(0, 7), "bit")
    _is_refused_or_scores_the_same(path, content, bytes(changed), wanted)


@settings(max_examples=30)
@given(data=st.data())
def test_a_file_that_is_cut_or_goes_on_is_refused_by_its_name_or_changes_nothing(artifact, wanted, data):
    path = data.draw(st.sampled_from(sorted(path for path in artifact.iterdir() if path.is_file())), "file")
    content = path.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content) - 1), "length")]
    _is_refused_or_scores_the_same(path, content, data.draw(st.sampled_from([cut, content + b"\0"])), wanted)


def _is_refused_or_scores_the_same(path: Path, content: bytes, changed: bytes, wanted: np.ndarray) -> None:
    path.write_bytes(changed)
    try:
        got = _scores_or_refusal(path.parent)
    finally:
        path.write_bytes(content)
    if isinstance(got, str):
        # What a changed manifest says of another file may be what is noticed.
        assert re.search(re.escape(path.name) if path.name != MANIFEST else r"\w+\.\w+", got), got
        assert got.endswith("."), got
    else:
        np.testing.assert_array_equal(got, wanted)


def _scores_or_refusal(folder: Path) -> np.ndarray | str:
    try:
        return _scores(folder)
    except ArtifactError as error:
        return str(error)


def test_every_file_but_the_seal_is_needed(artifact):
    for path in artifact.iterdir():
        content = path.read_bytes()
        path.unlink()
        try:
            if path.name == SEAL:
                _scores(artifact)
            else:
                with pytest.raises(ArtifactError, match=re.escape(path.name)):
                    _scores(artifact)
        finally:
            path.write_bytes(content)


def test_a_manifest_that_was_changed_on_purpose_is_read_without_its_seal(artifact, tmp_path):
    copy = Path(shutil.copytree(artifact, tmp_path / "copy"))
    seal = (copy / SEAL).read_bytes()
    edit_manifest(copy, lambda manifest: manifest.update(name="another"))
    assert Engine.load(copy, threads=1).manifest.name == "another"
    (copy / SEAL).write_bytes(seal)
    with pytest.raises(ArtifactError, match=r"manifest\.json was changed .* if the change was yours, remove manifest"):
        Engine.load(copy, threads=1)
