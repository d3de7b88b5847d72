"""An 8-bit graph that strays keeps in float32 what costs most, as little of it as helps, and is refused only then."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from safetensors.torch import load_file, save_file

from checkpoints import tiny
from engine import Engine, read_manifest
from engine.artifact.artifact import Graph, Verification
from engine.progress import Progress, unheard
from export.__main__ import NOT_VERIFIED, main
from export.errors import VerificationError
from export.mixed import Trial, mixed
from export.precisions import PRECISIONS, Limit

_LAYER = "bert.encoder.layer.0"
_RUINED = "attention.output.dense"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build("bert", tmp_path_factory.mktemp("checkpoint") / "tiny-bert")


def changed(checkpoint: Path, folder: Path, change: dict[str, torch.Tensor]) -> Path:
    shutil.copytree(checkpoint, folder)
    weights = load_file(checkpoint / "model.safetensors") | change
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def ruined(checkpoint: Path, folder: Path) -> Path:
    """A checkpoint with the same scores, one of whose weights has an input channel that 8 bits cannot have beside the
    others."""
    weights = load_file(checkpoint / "model.safetensors")
    value = f"{_LAYER}.attention.self.value"
    change = {
        name: weights[name].clone() for name in (f"{value}.weight", f"{value}.bias", f"{_LAYER}.{_RUINED}.weight")
    }
    change[f"{value}.weight"][5] /= 1000
    change[f"{value}.bias"][5] /= 1000
    change[f"{_LAYER}.{_RUINED}.weight"][:, 5] *= 1000
    return changed(checkpoint, folder, change)


@pytest.mark.slow
def test_one_weight_that_ruins_8_bits_stays_in_float32_and_no_other(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ruined(checkpoint, tmp_path / "ruined")
    assert main([str(folder), "--output", str(tmp_path), "--name", "out", "--precision", "int8,int8-fast"]) == 0
    said = capsys.readouterr().err
    manifest = read_manifest(tmp_path / "out")
    for graph in manifest.graphs:
        assert graph.kept is not None
        assert graph.kept.weights == [f"{_LAYER}.{_RUINED}"]
        assert graph.kept.of == 9
        assert 1 < graph.kept.size < 1.5
        assert graph.kept.seconds > 0
        floats = [weight for weight in products(tmp_path / "out" / graph.file) if weight.data_type == 1]
        assert [list(weight.dims) for weight in floats] == [[128, 128]]
        assert Engine.load(tmp_path / "out", precision=graph.precision).score("What?", "That.").scores.size == 1
    assert said.count("1 of 9 weights stay in float32, for 1.1") == 2
    assert "8 bits are too few for all of it: its scores are 0." in said
    graphs = {path.name for path in (tmp_path / "out").rglob("*.onnx*")}
    assert graphs == {"model_int8.onnx", "model_int8-fast.onnx"}, "what was tried is left behind"


def products(path: Path) -> list[onnx.TensorProto]:
    """The constant weights of a graph's products."""
    graph = onnx.load(path).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    read = [node.input[1] for node in graph.node if node.op_type in ("MatMul", "MatMulIntegerToFloat")]
    return [constants[name] for name in read if name in constants]


@pytest.mark.slow
def test_what_no_weight_in_float32_helps_is_refused_with_the_reason(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that no graph holds which has any weight in 8 bits."""
    strict = replace(PRECISIONS["int8"], limit=Limit(score_max_abs_error=1e-9))
    monkeypatch.setitem(PRECISIONS, "int8", strict)
    options = ["--output", str(tmp_path / "out"), "--precision", "int8", "--verify", "0.05"]
    assert main([str(checkpoint), *options]) == NOT_VERIFIED
    said = capsys.readouterr().err
    assert "error: The int8 graph strays from PyTorch" in said
    assert "With 8 of its 9 weights in float32 it is no better (its scores are " in said
    assert not (tmp_path / "out").exists()


@given(st.integers(1, 40).flatmap(lambda of: st.tuples(st.just(of), st.integers(1, of))))
def test_as_few_are_kept_as_help(tmp_path_factory: pytest.TempPathFactory, sizes: tuple[int, int]) -> None:
    of, needed = sizes
    folder = tmp_path_factory.mktemp("graphs")
    graph = Graph(precision="int8", provider="cpu", file="model.onnx", inputs=[], outputs=[])
    tried: list[int] = []

    def make(kept: Sequence[str], _: object) -> Graph:
        (folder / graph.file).write_bytes(b"x" * (10 + len(kept)))
        tried.append(len(kept))
        return graph

    def check(*_: object) -> Verification:
        if tried[-1] < needed:
            raise VerificationError("It strays.", [])
        return Verification("it", len(tried), "logits", 0.0, 0.0, 0.0, 1.0)

    trial = Trial("int8", lambda _: {str(n): f"layer.{n}" for n in range(of)}, make, check, lambda _: (2.0, 3.0))
    make((), unheard)
    telling = Progress(Console(quiet=True))
    strays = VerificationError("It strays.", [])
    if needed >= of:
        with pytest.raises(VerificationError, match=f"With {of - 1} of its {of}" if of > 1 else "It strays"):
            mixed(trial, graph, strays, folder, telling)
        return
    made = mixed(trial, graph, strays, folder, telling)
    assert made.kept is not None
    assert made.kept.weights == [f"layer.{n}" for n in range(needed)]
    assert (made.kept.size, made.kept.seconds) == ((10 + needed) / 10, 1.5)
    assert [path.name for path in folder.iterdir()] == [made.file]
    assert (folder / made.file).stat().st_size == 10 + needed
    assert len(tried) <= 2 + 2 * of.bit_length()
