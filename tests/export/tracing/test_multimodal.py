"""What a multimodal checkpoint's files say must fit together, or it is one sentence."""

import json
from pathlib import Path

import pytest

from checkpoints import multimodal
from export.__main__ import main


def test_a_processor_that_contradicts_the_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = multimodal.build("clip", tmp_path / "checkpoint")
    path = checkpoint / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    settings |= {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    path.write_text(json.dumps(settings))
    assert main([str(checkpoint), "--output", str(tmp_path / "artifacts")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "does not take what its own processor makes" in error
    assert error.endswith("correct config.json or preprocessor_config.json, which contradict each other.")
    assert not (tmp_path / "artifacts" / checkpoint.name).exists()
