"""Verification of one graph in several ways: as a CPU runs it, and in padded batches."""

import weakref
from pathlib import Path
from typing import Any

import pytest

from checkpoints import tiny
from engine import Engine
from export.__main__ import main
from export.verification import verify


@pytest.mark.slow
def test_a_graphs_weights_are_in_memory_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[weakref.ref[Engine]] = []
    alive: list[int] = []
    open_graph = verify._Unlisted.open

    def count(artifact: Any, *arguments: Any) -> Engine:
        alive.append(sum(engine() is not None for engine in opened))
        engine = open_graph(artifact, *arguments)
        opened.append(weakref.ref(engine))
        return engine

    monkeypatch.setattr(verify._Unlisted, "open", count)
    checkpoint = tiny.build("bert", tmp_path / "tiny-bert")
    assert main([str(checkpoint), "--output", str(tmp_path / "out")]) == 0
    assert len(alive) > 1
    assert set(alive) == {0}
