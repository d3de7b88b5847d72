"""What an export is held against is independent of it: a mistake on one side alone is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoints import families
from export.__main__ import NOT_VERIFIED, main
from export.heads import in_onnx
from export.recognition import layouts

pytestmark = pytest.mark.slow

# Mistakes in what builds a graph or its manifest: what is broken, and for which family.
MISTAKES: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "the mean counts padding": ("e5", lambda patch: patch.setitem(in_onnx._POOLING, "mean", _mean_of_all)),
    "the second token is pooled": ("bert-embedder", lambda patch: patch.setitem(in_onnx._POOLING, "cls", _second)),
    "the last token is not looked for": (
        "qwen3-reranker",
        lambda patch: patch.setitem(in_onnx._POOLING, "lasttoken", _at_the_end),
    ),
    "embeddings keep their length": ("colbert", lambda patch: patch.setitem(in_onnx._KINDS, "Normalize", _as_they_are)),
    "nothing is skipped": ("colbert", lambda patch: patch.setattr(layouts, "skipped", lambda *_: [])),
    "padding expands queries": ("colbert", lambda patch: patch.setattr(layouts, "expansion_token", lambda *_: 0)),
    "the marker is another token": ("colbert", lambda patch: patch.setattr(layouts, "known_token", lambda *_: 7)),
}


def _mean_of_all(nodes: in_onnx.NodeList, states: Any, mask: Any) -> Any:
    return nodes.add("ReduceMean", states, axes=[1], keepdims=0)


def _second(nodes: in_onnx.NodeList, states: Any, mask: Any) -> Any:
    return nodes.add("Gather", states, nodes.constant(np.int64(1)), axis=1)


def _at_the_end(nodes: in_onnx.NodeList, states: Any, mask: Any) -> Any:
    return nodes.add("Gather", states, nodes.constant(np.int64(-1)), axis=1)


def _as_they_are(nodes: in_onnx.NodeList, head: Any, states: Any, mask: Any) -> Any:
    return states


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_what_is_built_is_refused(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    family, make = MISTAKES[mistake]
    checkpoint = families.build(family, tmp_path / "checkpoint")
    make(monkeypatch)
    assert main([str(checkpoint), "--output", str(tmp_path / "out"), "--max-length", "192"]) == NOT_VERIFIED
    said = capsys.readouterr().err
    assert "strays from PyTorch" in said or "gives an output of shape" in said
    assert not (tmp_path / "out").exists()
