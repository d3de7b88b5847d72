"""Weights that are mapped from files make the same graphs as weights in memory, and take no memory of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from checkpoints import tiny
from engine.artifact.manifest import read_manifest
from export.__main__ import main
from export.checkpoint.weights import count
from export.needs import memory_bytes
from export.tracing.convert import halved
from export.tracing.mapped import Mapped


def test_a_networks_weights_are_a_files_and_can_be_changed(tmp_path: Path) -> None:
    first = torch.nn.Linear(8, 4)
    network = torch.nn.Sequential(first, torch.nn.Linear(4, 2, bias=False).half())
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    inputs = torch.randn(3, 8)
    want = first(inputs)
    Mapped(tmp_path).network(network)
    assert all(torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    assert torch.equal(first(inputs), want)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert len(content) == sum(parameter.nbytes for parameter in before.values())
    with torch.no_grad():
        first.weight.zero_()
    assert file.read_bytes() == content
    assert np.count_nonzero(first.weight.detach().numpy()) == 0


def test_a_half_of_a_mapped_network_has_the_same_weights(tmp_path: Path) -> None:
    network = BertModel(BertConfig(vocab_size=1000, hidden_size=64, num_hidden_layers=1, num_attention_heads=4))
    want = halved(network).state_dict()
    Mapped(tmp_path).network(network)
    got = halved(network).state_dict()
    assert {tensor.dtype for tensor in got.values()} == {torch.float16}
    assert all(torch.equal(got[name], tensor) for name, tensor in want.items())
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


@pytest.mark.slow
def test_a_small_model_goes_by_files_where_there_is_less_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tiny.build("bert", tmp_path / "tiny-bert")
    weights = 4 * count(checkpoint / "model.safetensors")
    used: list[int] = []
    network = Mapped.network

    def counted(self: Mapped, body: torch.nn.Module) -> None:
        network(self, body)
        used.append(0 if self._folder is None else (self._folder / "mapped.network").stat().st_size)

    monkeypatch.setattr(Mapped, "network", counted)
    files = []
    for name, most in (
        ("held", memory_bytes(weights, in_files=False)),
        ("mapped", memory_bytes(weights, in_files=True)),
    ):
        arguments = ["--output", str(tmp_path), "--name", name, "--precision", "int8", "--max-length", "64"]
        assert main([str(checkpoint), *arguments, "--max-memory", str(most)]) == 0
        files.append({file: entry for file, entry in read_manifest(tmp_path / name).files.items() if "onnx" in file})
    assert used[0] == 0
    assert weights * 0.9 < used[1] <= weights
    assert len(files[0]) == 1
    assert files[0] == files[1]
