"""`verify` passes whole artifacts of every kind, and names the file that is damaged or computes something else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.__main__ import main
from engine.artifact.manifest import files_of
from engine.artifact.seal import SEAL
from tests.manifests import edit_manifest

DEFAULT = Path(__file__).parents[3] / "models" / "all-MiniLM-L6-v2"


def copied(artifact: Path, folder: Path) -> Path:
    return Path(shutil.copytree(artifact, folder / "artifact"))


def alter(artifact: Path, file: str, output: str, node: onnx.NodeProto, *constants: onnx.TensorProto) -> None:
    """Put a node behind a graph's output, "own", as somebody would who then writes the manifest's digests anew."""
    model = onnx.load(artifact / file)
    for producer in model.graph.node:
        producer.output[:] = ["own" if name == output else name for name in producer.output]
    model.graph.node.append(node)
    model.graph.initializer.extend(constants)
    onnx.save(model, artifact / file)
    digest = files_of(artifact, file)[file]
    edit_manifest(artifact, lambda manifest: manifest["files"][file].update(sha256=digest.sha256, size=digest.size))


@pytest.fixture
def two_precisions(artifacts: Callable[[str], Path], tmp_path: Path) -> Path:
    """The fp32 graph of all-MiniLM-L6-v2, and the int8 graph of the model that comes with ScoreRT, the same one."""
    artifact = copied(artifacts("minilm-bi"), tmp_path)
    other = json.loads((DEFAULT / "manifest.json").read_text())
    shutil.copy(DEFAULT / "model_int8.onnx", artifact)

    def add(manifest):
        manifest["graphs"] += other["graphs"]
        manifest["files"]["model_int8.onnx"] = other["files"]["model_int8.onnx"]

    edit_manifest(artifact, add)
    return artifact


def said_of(artifact: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["verify", str(artifact)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.splitlines()


def refusal(artifact: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert main(["verify", str(artifact), *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_a_whole_artifact(capsys):
    files, graph, alone = said_of(DEFAULT, capsys)
    assert files == "2 files have the sizes and sha256 that the manifest gives; manifest.sha256 is that of the manifest"
    assert graph.startswith("model_int8.onnx runs on cpu; 7 scores differ by ")
    assert alone == "no other precision to compare its scores with"


@pytest.mark.parametrize("name", ["minilm-ce", "minilm-colbert", "qwen3-vl-reranker"])
def test_every_score_type_and_pictures(name, artifacts, multimodal, capsys):
    artifact = artifacts(name) if name.startswith("minilm") else multimodal(name)[1]
    _, graph, _ = said_of(artifact, capsys)
    assert f"{8 if name.startswith('qwen') else 7} scores" in graph


def test_precisions_are_held_against_each_other(two_precisions, capsys):
    files, *graphs, compared = said_of(two_precisions, capsys)
    assert files.endswith("there is no manifest.sha256")
    assert [line.split()[0] for line in graphs] == ["model_fp32.onnx", "model_int8.onnx"]
    assert compared.startswith("the scores of model_int8.onnx differ by at most 0.0")


@pytest.mark.parametrize("name", ["model_int8.onnx", "tokenizer.json", "manifest.json", SEAL])
def test_a_damaged_file_is_named(name, tmp_path, capsys):
    artifact = copied(DEFAULT, tmp_path)
    content = bytearray((artifact / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artifact / name).write_bytes(content)
    assert name in refusal(artifact, capsys)
    (artifact / name).unlink()
    if name != SEAL:
        assert f"{artifact} is not" in (said := refusal(artifact, capsys)) or f"{artifact / name} is missing" in said


def test_a_graph_whose_scores_depend_on_their_neighbours_is_named(artifacts, tmp_path, capsys):
    artifact = copied(artifacts("minilm-ce"), tmp_path)
    alter(artifact, "model_fp32.onnx", "logits", helper.make_node("Softmax", ["own"], ["logits"], axis=0))
    said = refusal(artifact, capsys)
    assert f"{artifact / 'model_fp32.onnx'} gives scores on cpu that differ by" in said


def test_a_graph_that_computes_no_numbers_is_named(artifacts, tmp_path, capsys):
    artifact = copied(artifacts("minilm-ce"), tmp_path)
    nothing = numpy_helper.from_array(np.array(np.nan, np.float32), "nothing")
    alter(artifact, "model_fp32.onnx", "logits", helper.make_node("Add", ["own", "nothing"], ["logits"]), nothing)
    assert f"{artifact / 'model_fp32.onnx'} gives scores that are no numbers on cpu" in refusal(artifact, capsys)


def test_a_precision_that_computes_something_else_is_named(two_precisions, capsys):
    one = numpy_helper.from_array(np.array(1, np.float32), "one_more")
    node = helper.make_node("Add", ["own", "one_more"], ["embeddings"])
    alter(two_precisions, "model_int8.onnx", "embeddings", node, one)
    said = refusal(two_precisions, capsys)
    assert f"{two_precisions / 'model_int8.onnx'} gives scores that differ by" in said
    assert "from those of model_fp32.onnx" in said
    # As of imported graphs, each of which was held against its own original.
    own = {"reference": "ONNX Runtime 1.32.0 on the original graph"}
    edit_manifest(two_precisions, lambda manifest: [one["verification"].update(own) for one in manifest["graphs"]])
    assert said_of(two_precisions, capsys)[-1].endswith("from those of model_fp32.onnx, which had another reference")


def test_a_provider_that_is_not_here_or_has_no_graph_is_one_sentence(tmp_path, capsys):
    assert "--provider tensorrt" in refusal(DEFAULT, capsys, "--provider", "tensorrt")
    assert "is not an artifact" in refusal(tmp_path, capsys)
