"""A reranker's rows of its output vocabulary are those that transformers would multiply with."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import rerankers
from checkpoints.minilm import write_json
from engine.arrays import Floats
from export.checkpoint.files import open_checkpoint
from export.checkpoint.tokenizer import load_tokenizer
from export.errors import ExportError
from export.heads.loaded import load_heads
from export.recognition.recognise import recognise

INPUT, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return rerankers.qwen3_reranker(tmp_path / "Qwen3-Reranker-0.6B")


def write(folder: Path, tied: bool, output: float | None) -> torch.Tensor:
    """Save the weights with an output vocabulary that is the input's times `output`, or none. Returns the input's."""
    weights = load_file(folder / "model.safetensors")
    weights.pop(OUTPUT, None)
    if output is not None:
        weights[OUTPUT] = weights[INPUT] * output
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"tie_word_embeddings": tied})
    return weights[INPUT]


def row(folder: Path) -> Floats:
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    recipe = recognise(checkpoint)
    return load_heads(checkpoint, recipe, load_tokenizer(checkpoint, recipe))[-1].weights["linear.weight"]


@pytest.mark.parametrize(("tied", "output"), [(True, None), (True, 1.0), (False, 1.0)])
def test_the_rows_are_the_outputs_own_or_shared_ones(folder: Path, tied: bool, output: float | None) -> None:
    table = write(folder, tied, output)
    tokenizer = load_tokenizer(checkpoint := open_checkpoint(str(folder), None, {}, False), recognise(checkpoint))
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    torch.testing.assert_close(torch.from_numpy(row(folder)), (table[yes] - table[no]).unsqueeze(0).float())


@pytest.mark.parametrize(
    ("tied", "output", "sentence"),
    [
        (
            False,
            None,
            "no tie_word_embeddings true: fetch the whole checkpoint, or say --hf-overrides '{\"tie_word_emb",
        ),
        (True, 2.0, "has an lm_head.weight that is not that of the input, though config.json says so (tie_word_embed"),
    ],
)
def test_rows_that_files_and_settings_tell_apart_are_refused(
    folder: Path, tied: bool, output: float | None, sentence: str
) -> None:
    write(folder, tied, output)
    with pytest.raises(ExportError) as refused:
        row(folder)
    assert sentence in str(refused.value)
