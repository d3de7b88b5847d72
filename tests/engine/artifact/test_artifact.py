"""A damaged artifact is refused, with one sentence that says which file and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine import ArtifactError, Engine, InvalidInput
from engine.artifact.artifact import MANIFEST
from engine.artifact.manifest import read_manifest
from tests.manifests import edit_manifest


@pytest.fixture
def artifact(artifacts: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifacts("minilm-ce"), tmp_path / "copy"))


def _edit(artifact: Path, **changes: object) -> None:
    edit_manifest(artifact, lambda manifest: manifest.update(changes))


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


def test_a_manifest_nested_too_deeply_is_one_sentence(tmp_path):
    (tmp_path / MANIFEST).write_text('{"a":' * 100_000)
    with pytest.raises(ArtifactError, match="cannot be read"):
        Engine.load(tmp_path)


def test_an_index_is_refused_with_where_it_belongs(tmp_path):
    (tmp_path / "index.json").touch()
    with pytest.raises(ArtifactError, match=r"is an index, and no artifact: .* the index with --index"):
        Engine.load(tmp_path)


def test_a_checkpoint_is_refused_with_the_command_that_exports_it(tmp_path):
    checkpoint = tmp_path / "my model"
    checkpoint.mkdir()
    (checkpoint / "config.json").touch()
    with pytest.raises(ArtifactError) as raised:
        Engine.load(checkpoint)
    assert f"`python -m export '{checkpoint}'`, and use models/my model then." in str(raised.value)


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
    with pytest.raises(ArtifactError, match="schema version 99; this ScoreRT reads 1, 2, 3 and 4"):
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


def test_artifacts_of_schema_1_are_read(artifact):
    """The default model is one; so is any with neither a role nor a side of padding."""
    default = Path(__file__).parents[3] / "models" / "all-MiniLM-L6-v2"
    assert read_manifest(default).schema_version == 1
    before = read_manifest(artifact)
    assert before.schema_version == 4

    def as_1(manifest):
        manifest["schema_version"] = 1
        del manifest["padding"], manifest["truncation"]
        for graph in manifest["graphs"]:
            del graph["role"]

    edit_manifest(artifact, as_1)
    assert msgspec.structs.replace(read_manifest(artifact), schema_version=4) == before
    engine = Engine.load(artifact)
    assert engine.score("a", "b").scores.shape == (1,)
    engine.close()


@pytest.mark.parametrize("version", [2, 3])
def test_artifacts_that_do_not_name_the_side_at_which_texts_are_cut_are_read(artifact, version):
    before = read_manifest(artifact)

    def as_earlier(manifest):
        manifest["schema_version"] = version
        del manifest["truncation"]

    edit_manifest(artifact, as_earlier)
    earlier = read_manifest(artifact)
    assert earlier.truncation == "right"
    assert msgspec.structs.replace(earlier, schema_version=4) == before


def test_an_artifact_may_have_graphs_that_read_something_else_than_text(artifact):
    graphs = json.loads((artifact / MANIFEST).read_text())["graphs"]
    vision = graphs[0] | {"role": "vision", "outputs": [{"name": "patches", "type": "float32", "dims": ["patches", 8]}]}
    _edit(artifact, graphs=[vision, *graphs])
    engine = Engine.load(artifact)
    assert engine.graph.role == "text"
    engine.close()


def test_a_graph_without_the_output_that_scores_is_refused(artifact):
    graph = read_manifest(artifact).graphs[0]
    other = {"name": "sparse", "type": "float32", "dims": ["batch", 5]}
    _edit(artifact, graphs=[msgspec.to_builtins(graph) | {"outputs": [other]}])
    with pytest.raises(ArtifactError, match="has a graph of fp32 without the output logits, which a cross-encoder"):
        Engine.load(artifact)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("minilm-ce", {"pair": None}, "lacks pair, which a cross-encoder needs: export it again"),
        (
            "minilm-bi",
            {"document": None, "similarity": None},
            "lacks document and similarity, which a bi-encoder",
        ),
        ("minilm-ce", {"graphs": []}, "lacks a graph for texts, which a cross-encoder needs"),
    ],
)
def test_a_manifest_that_lacks_what_its_score_type_needs_is_refused(artifacts, tmp_path, name, changes, sentence):
    folder = Path(shutil.copytree(artifacts(name), tmp_path / "copy"))
    _edit(folder, **changes)
    with pytest.raises(ArtifactError, match=sentence):
        Engine.load(folder)


@pytest.mark.parametrize("changes", [{"multiple": 0}, {"max_batch": 0}, {"provider": "tensorrt"}])
def test_a_graph_that_could_never_run_is_refused(artifact, changes):
    graphs = json.loads((artifact / MANIFEST).read_text())["graphs"]
    _edit(artifact, graphs=[graphs[0] | changes])
    with pytest.raises(ArtifactError, match=r"Expected `int` >= 1 - at `\$.graphs|has graphs for TensorRT alone"):
        Engine.load(artifact)


def test_threads_are_at_least_one(artifact):
    with pytest.raises(InvalidInput, match=r"^threads must be at least 1, or None for all cores, not -3\.$"):
        Engine.load(artifact, threads=-3)


def test_what_is_no_artifact_yet_is_told_how_it_becomes_one(tmp_path):
    with pytest.raises(ArtifactError, match=r"`python -m export BAAI/bge-base`, and use models/bge-base then"):
        Engine.load("BAAI/bge-base")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=f"Make one with `python -m export {tmp_path}`"):
        Engine.load(tmp_path)
