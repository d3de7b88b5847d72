"""A damaged artifact is refused, with one sentence that says which file and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import ArtifactError, Engine
from engine.artifact import MANIFEST, read_manifest


@pytest.fixture
def artifact(artifacts: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifacts("minilm-ce"), tmp_path / "copy"))


def _edit(artifact: Path, **changes: object) -> None:
    manifest = json.loads((artifact / MANIFEST).read_text())
    (artifact / MANIFEST).write_text(json.dumps(manifest | changes))


def test_a_whole_artifact_is_read(artifact):
    manifest = read_manifest(artifact)
    assert manifest.score_type == "cross-encoder"
    assert manifest.max_length == 512
    assert manifest.activation == "sigmoid"
    assert manifest.source.model == "minilm-ce"
    assert [graph.precision for graph in manifest.graphs] == ["fp32"]
    assert manifest.graphs[0].verification.texts == 192
    assert manifest.graphs[0].verification.max_abs_error < 1e-4
    assert manifest.graphs[0].inputs[0].dims == ["batch", "tokens"]


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"is not an artifact: it has no manifest.json"):
        Engine.load(tmp_path)


def test_a_missing_file_is_named(artifact):
    (artifact / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"tokenizer.json is missing"):
        Engine.load(artifact)


def test_a_shortened_file_is_named(artifact):
    graph = artifact / "model_fp32.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"model_fp32.onnx has \d+ bytes where its manifest says \d+"):
        Engine.load(artifact)


def test_a_changed_byte_is_noticed(artifact):
    graph = artifact / "model_fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model_fp32.onnx does not have the sha256"):
        Engine.load(artifact)


def test_an_unknown_schema_version_is_refused_before_anything_else_of_it_is_read(artifact):
    _edit(artifact, schema_version=99, something_new=True)
    with pytest.raises(ArtifactError, match="schema version 99; this ScoreRT reads version 1"):
        Engine.load(artifact)


def test_a_manifest_that_is_not_json_is_refused(artifact):
    (artifact / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        Engine.load(artifact)


def test_a_typo_in_the_manifest_is_refused(artifact):
    _edit(artifact, max_lenght=3)
    with pytest.raises(ArtifactError, match="max_lenght"):
        Engine.load(artifact)


def test_an_unverified_graph_is_refused(artifact):
    graphs = json.loads((artifact / MANIFEST).read_text())["graphs"]
    _edit(artifact, graphs=[graphs[0] | {"verification": None}])
    with pytest.raises(ArtifactError, match="never verified"):
        Engine.load(artifact)


def test_a_precision_that_was_not_exported_is_named(artifact):
    with pytest.raises(ArtifactError, match="has no int8 graph, only fp32: export it with --precision int8"):
        Engine.load(artifact, precision="int8")
