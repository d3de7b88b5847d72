"""Weights that are mapped from files make the same graphs as weights in memory, and take no memory of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints import tiny
from engine.artifact import read_manifest
from export.__main__ import main
from export.tracing import mapped
from export.tracing.mapped import Mapped


def test_a_networks_weights_are_a_files_and_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_LARGE", 0)
    first = torch.nn.Linear(8, 4)
    network = torch.nn.Sequential(first, torch.nn.Linear(4, 2, bias=False).half())
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    inputs = torch.randn(3, 8)
    want = first(inputs)
    holding = Mapped()
    holding.network(network)
    assert all(torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())
    assert torch.equal(first(inputs), want)
    (file,) = Path(holding._folder.name).iterdir()
    content = file.read_bytes()
    assert len(content) == sum(parameter.nbytes for parameter in before.values())
    with torch.no_grad():
        first.weight.zero_()
    assert file.read_bytes() == content
    assert np.count_nonzero(first.weight.detach().numpy()) == 0


@pytest.mark.slow
def test_graphs_are_the_same_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tiny.build("bert", tmp_path / "tiny-bert")
    files = []
    for name in ("held", "mapped"):
        arguments = ["--output", str(tmp_path), "--name", name, "--precision", "fp32,fp16,int8", "--max-length", "64"]
        assert main([str(checkpoint), *arguments]) == 0
        files.append({file: entry for file, entry in read_manifest(tmp_path / name).files.items() if "onnx" in file})
        monkeypatch.setattr(mapped, "_LARGE", 0)
        monkeypatch.setattr(mapped, "_SMALL_TENSOR", 0)
    assert len(files[0]) == 3
    assert files[0] == files[1]
