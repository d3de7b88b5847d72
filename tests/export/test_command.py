"""Runs `python -m export`, as a process where that matters: its exit codes, what it prints and what it leaves."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import multimodal, tiny
from checkpoints.rerankers import qwen3_reranker
from engine.artifact.manifest import read_manifest
from export.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny.build("bert", tmp_path_factory.mktemp("checkpoint") / "tiny-bert")


@pytest.mark.slow
def test_an_export_says_its_stages_and_prints_the_artifacts_folder(checkpoint, tmp_path, capsys):
    models = tmp_path / "my models"
    arguments = [str(checkpoint), "--output", str(models), "--name", "reranker"]
    command = [sys.executable, "-m", "export", *arguments, "--max-length", "64"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{models / 'reranker'}\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "tiny-bert is a cross-encoder (BertForSequenceClassification)"
    assert [line.rsplit(":", 1)[0] for line in lines if line.endswith(" s")] == [
        "load the checkpoint",
        "score the verification texts with PyTorch",
        "convert to fp32",
        "verify fp32",
    ]
    assert lines[-1] == f"next: python -m api --model '{models / 'reranker'}'", "to be pasted into a shell"
    assert "Spearman 1.0" in lines[-2]
    manifest = read_manifest(models / "reranker")
    assert (manifest.name, manifest.max_length) == ("reranker", 64)
    assert sorted(path.name for path in models.iterdir()) == ["reranker"]

    assert main(arguments) == 2
    assert "exists already: give another --name or --output, or replace it with --force." in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    assert read_manifest(models / "reranker").max_length == 512
    assert sorted(path.name for path in models.iterdir()) == ["reranker"]


@pytest.mark.slow
def test_a_graph_that_overflows_is_not_written(checkpoint, tmp_path, capsys):
    """Weights that float16 cannot hold the products of: fp32 is right, fp16 is refused with its worst pairs."""
    weights = load_file(checkpoint / "model.safetensors")
    for name, tensor in weights.items():
        if name.endswith("intermediate.dense.weight"):
            weights[name] = tensor * 30_000
    loud = tmp_path / "loud"
    loud.mkdir()
    for file in checkpoint.iterdir():
        (loud / file.name).write_bytes(file.read_bytes())
    save_file(weights, loud / "model.safetensors", metadata={"format": "pt"})
    assert main([str(loud), "--output", str(tmp_path / "out"), "--precision", "fp16"]) == 3
    said = capsys.readouterr().err
    assert "The fp16 graph strays from PyTorch" in said
    assert "No artifact was written." in said
    assert "worst pairs" in said
    assert not (tmp_path / "out").exists()


def launched(checkpoint: Path, output: Path, name: str = "tiny-bert") -> subprocess.Popen[str]:
    # Jobs that a shell has put in the background ignore SIGINT, and so would what they start.
    heeding = ["env", "--default-signal=INT"]
    return subprocess.Popen(
        [*heeding, sys.executable, "-m", "export", str(checkpoint), "--output", str(output), "--name", name],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(output)},
    )


def started(checkpoint: Path, output: Path, name: str = "tiny-bert") -> subprocess.Popen[str]:
    """An export that has begun to write."""
    process = launched(checkpoint, output, name)
    deadline = time.monotonic() + 120
    while not any(output.glob(f".{name}.{process.pid}-*.partial/tokenizer.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_a_kill_leaves_no_artifact_and_the_next_export_clears_up(checkpoint, tmp_path, monkeypatch):
    process = started(checkpoint, tmp_path)
    process.kill()
    process.communicate()
    assert sorted(path.name[:9] for path in tmp_path.iterdir()) == [".tiny-ber", f"scorert-{process.pid}"[:9]]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main([str(checkpoint), "--output", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-bert"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_is_not_a_traceback_and_leaves_nothing(checkpoint, tmp_path, number):
    process = started(checkpoint, tmp_path)
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "interrupted: no artifact was written." in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_second_of_two_exports_to_one_name_is_refused(checkpoint, tmp_path):
    processes = [launched(checkpoint, tmp_path), launched(checkpoint, tmp_path)]
    said = [process.communicate()[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2]
    (refused,) = [own for own, process in zip(said, processes, strict=True) if process.returncode]
    assert f"error: {tmp_path / 'tiny-bert'} exists already: give another --name or --output, or" in refused
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-bert"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_sentence(checkpoint, tmp_path, capsys):
    """A limit on file size stands in for a full disk: the same system call fails, in the same places."""
    with files_of_at_most(200_000):
        assert main([str(checkpoint), "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"error: {tmp_path / 'tiny-bert'} could not be written: File too large."
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written_is_one_sentence(checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main([str(checkpoint), "--output", str(tmp_path / "file" / "models")]) == 2
    assert "cannot be written: " in capsys.readouterr().err


def test_missing_and_unexpected_weights_are_named_and_taken_only_when_asked(checkpoint, tmp_path, capsys):
    weights = load_file(checkpoint / "model.safetensors")
    strange = tmp_path / "strange"
    strange.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (strange / name).write_bytes((checkpoint / name).read_bytes())
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    kept["bert.encoder.layer.9.extra.weight"] = torch.zeros(1)
    save_file(kept, strange / "model.safetensors", metadata={"format": "pt"})
    arguments = [str(strange), "--output", str(tmp_path / "out")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "lacks the weights classifier.bias, classifier.weight" in said
    assert "has unexpected weights bert.encoder.layer.9.extra.weight" in said
    assert "--allow-missing" in said
    assert main([*arguments, "--allow-missing"]) == 0
    assert "warning: The checkpoint lacks the weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "int4"], "'int4' is not one of fp32, fp16, int8, int8-fast"),
        (["--hf-overrides", "{"], "not valid JSON"),
        (["--hf-overrides", "[]"], "must be a JSON object"),
        (["--name", "a/b"], "must be a plain folder name"),
        (["--max-memory", "much"], "must be a size, such as 8GB"),
        (["--name", os.fsdecode(b"\xff\xfe")], "is not UTF-8, which every name must be: rename it"),
        (["--name", "a" * 201], "must have at most 200 bytes"),
        (["--output", os.fsdecode(b"\xff\xfe")], "is not UTF-8, which every name must be: rename it"),
        (["--revision", os.fsdecode(b"\xff\xfe")], "is not UTF-8, which every name must be: rename it"),
        (["--hf-overrides", "[" * 60_000], "has too many levels of brackets"),
        (["--from-onnx", ""], "Argument --from-onnx: must not be empty"),
        (["--max-memory", "8GB", "--exporter", "optimum"], "leave it out where those are not traced"),
    ],
)
def test_options_that_cannot_be_read_are_refused(arguments, message, capsysbinary):
    assert main(["model", *arguments]) == 2
    said = os.fsdecode(capsysbinary.readouterr().err)
    assert message in said
    assert said.endswith("; see `python -m export --help`.\n")


@pytest.mark.parametrize("option", [[], ["--from-onnx"]])
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("", "must not be empty"),
        ("a" * 5_000, "is neither a folder here nor a hub id such as org/name."),
        ("a/" + "b" * 5_000, "is neither a folder here nor a hub id such as org/name."),
        ("/" + "b" * 5_000, "is neither a folder here nor a hub id such as org/name."),
        (os.fsdecode(b"\xff\xfe"), "is not UTF-8, which every name must be: rename it"),
        ("/", "/ has no name that its artifact could have: give one with --name."),
    ],
)
def test_a_model_that_no_folder_can_be_is_one_sentence(option, model, said, tmp_path, capsysbinary):
    assert main([*option, model, "--output", str(tmp_path)]) == 2
    told = os.fsdecode(capsysbinary.readouterr().err)
    assert said in told
    assert told.count("\n") == 1


def test_a_target_that_no_folder_can_be_is_one_sentence(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "--output", "a" * 5_000]) == 2
    assert capsys.readouterr().err == "error: " + "a" * 5_000 + " cannot be written: File name too long.\n"


def test_a_folder_that_is_not_utf_8_is_one_sentence(checkpoint, tmp_path, monkeypatch, capsysbinary):
    """Also where the argument is, because libraries are given the whole path."""
    place = tmp_path / os.fsdecode(b"\xff\xfe")
    shutil.copytree(checkpoint, place)
    monkeypatch.chdir(place)
    assert main([".", "--output", str(tmp_path / "out"), "--name", "a"]) == 2
    assert "is not UTF-8, which every name must be: rename it." in os.fsdecode(capsysbinary.readouterr().err)


@pytest.mark.slow
def test_any_memory_is_a_bound_and_the_compiler_leaves_no_folder(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    arguments = [str(checkpoint), "--output", str(tmp_path / "out"), "--max-memory", "9" * 400]
    assert main(arguments) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


@pytest.mark.slow
def test_temporary_files_that_find_no_room_are_not_blamed_on_the_target(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with files_of_at_most(200_000):
        assert main([str(checkpoint), "--output", str(tmp_path / "out"), "--max-memory", "704MB"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        f"error: Temporary files cannot be written into {tmp_path}: File too large; free some, or set"
    )
    assert list(tmp_path.glob("*/*")) == []


def test_a_length_past_the_positions_is_refused(checkpoint, tmp_path, capsys):
    assert main([str(checkpoint), "--output", str(tmp_path), "--max-length", "4096"]) == 2
    assert "--max-length must be from 8 to 512" in capsys.readouterr().err


def test_a_length_that_the_score_template_fills_is_refused(tmp_path, capsys):
    checkpoint = qwen3_reranker(tmp_path / "qwen3-reranker")
    assert main([str(checkpoint), "--output", str(tmp_path / "out"), "--max-length", "64"]) == 2
    assert "and inputs have 64: give a longer --max-length." in capsys.readouterr().err


@pytest.mark.parametrize(("name", "length"), [("jina-m0", 260), ("colqwen2", 40)])
def test_a_length_that_pictures_fill_is_refused(tmp_path, capsys, name, length):
    checkpoint = multimodal.build(name, tmp_path / name)
    assert main([str(checkpoint), "--output", str(tmp_path / "out"), "--max-length", str(length)]) == 2
    assert f"inputs have {length}: give a longer --max-length." in capsys.readouterr().err


def test_weights_of_other_shapes_are_named(tmp_path, capsys):
    checkpoint = multimodal.build("clip", tmp_path / "clip")
    overrides = json.dumps({"projection_dim": 3})
    assert main([str(checkpoint), "--output", str(tmp_path / "out"), "--hf-overrides", overrides]) == 2
    assert "text_projection.weight [64, 64] and not [3, 64], and so have 1 more: correct" in capsys.readouterr().err


@pytest.mark.parametrize("body", tiny.FAMILIES)
def test_a_checkpoint_without_a_tokenizer_is_one_sentence(tmp_path, capsys, body):
    """What a Trainer leaves that was not given one; transformers makes some up."""
    checkpoint = tiny.build(body, tmp_path / body)
    (checkpoint / "tokenizer.json").unlink()
    assert main([str(checkpoint), "--output", str(tmp_path / "out")]) == 2
    assert "error: The checkpoint has no tokenizer.json" in capsys.readouterr().err


def test_a_tokenizer_that_is_another_models_is_one_sentence(tmp_path, capsys):
    checkpoint = tiny.build("bert", tmp_path / "bert")
    file = checkpoint / "tokenizer.json"
    whole = json.loads(file.read_text())
    words = whole["model"]["vocab"]
    for vocabulary, sentence in (
        (
            {word: place + 900 for word, place in words.items()},
            "and its model embeddings for 1000 tokens ",
        ),
        ({word: place for word, place in words.items() if word.startswith("[")}, "knows 0% of the words of ordinary"),
    ):
        file.write_text(json.dumps(whole | {"model": whole["model"] | {"vocab": vocabulary}}))
        assert main([str(checkpoint), "--output", str(tmp_path / "out")]) == 2
        assert sentence in capsys.readouterr().err


def test_overrides_reach_the_network(checkpoint, tmp_path, capsys):
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["num_hidden_layers"] == 1
    overrides = json.dumps({"num_hidden_layers": 2})
    assert main([str(checkpoint), "--output", str(tmp_path), "--hf-overrides", overrides]) == 2
    assert "lacks the weights bert.encoder.layer.1" in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_whose_lines_nobody_reads_ends_quietly_and_leaves_nothing(checkpoint, tmp_path):
    """As in `python -m export … 2>&1 | head -1`."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "export", str(checkpoint), "--output", str(tmp_path)],
        cwd=ROOT,
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    with os.fdopen(reading) as lines:
        assert lines.readline().startswith("tiny-bert is a cross-encoder")
    assert process.wait() == 141
    assert list(tmp_path.iterdir()) == []
