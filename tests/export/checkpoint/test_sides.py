"""A tokenizer that cuts or pads on the left, against transformers and sentence-transformers."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer

from checkpoints import tiny
from checkpoints.minilm import write_json
from engine import Engine
from engine.artifact.manifest import read_manifest
from export.__main__ import main

# Longer than what is tokenised of a text that is cut.
LONG = " ".join(f"word {number} of a long text that ends in something else" for number in range(400))
PAIRS = [("short query", LONG), (LONG, LONG), (LONG, "short"), ("a", "b")]


def build(folder: Path, head: str, **settings: Any) -> Path:
    tiny.build("bert", folder, head=head)
    file = folder / "tokenizer_config.json"
    write_json(file, json.loads(file.read_text()) | settings)
    return folder


def test_a_pair_is_cut_at_its_beginnings_where_the_tokenizer_says_so(tmp_path):
    settings = {"truncation_side": "left", "padding_side": "left"}
    folder = build(tmp_path / "model", "ForSequenceClassification", **settings)
    assert main([str(folder), "--output", str(tmp_path / "out"), "--max-length", "64"]) == 0
    assert read_manifest(tmp_path / "out" / "model").truncation == "left"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def wanted(side: str) -> list[float]:
        tokenizer.truncation_side = side
        logits = []
        for pair in PAIRS:
            encoded = tokenizer(*pair, truncation=True, max_length=64, return_tensors="pt")
            with torch.no_grad():
                logits.append(model(**encoded).logits.item())
        return logits

    with closing(Engine.load(tmp_path / "out" / "model")) as engine:
        got = engine.score(*map(list, zip(*PAIRS, strict=True)), truncate_prompt_tokens=-1, use_activation=False)
        np.testing.assert_allclose(got.scores, wanted("left"), atol=1e-4)
        right = {"truncate_prompt_tokens": -1, "truncation_side": "right", "use_activation": False}
        got = engine.score(*map(list, zip(*PAIRS, strict=True)), **right)
        np.testing.assert_allclose(got.scores, wanted("right"), atol=1e-4)
    assert np.abs(np.subtract(wanted("left"), wanted("right"))).max() > 1e-3


@pytest.mark.parametrize("options", [[], ["--score-type", "late-interaction"]])
def test_a_text_is_cut_at_its_beginning_where_the_tokenizer_says_so(tmp_path, options):
    folder = build(tmp_path / "model", "Model", truncation_side="left", model_max_length=48)
    assert main([str(folder), "--output", str(tmp_path / "out"), *options]) == 0
    original = SentenceTransformer(str(folder), device="cpu")
    with closing(Engine.load(tmp_path / "out" / "model")) as engine:
        if options:
            wanted = original.encode([LONG], output_value="token_embeddings")[0].numpy()
            wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
            got = engine.embed_tokens([LONG], truncate_prompt_tokens=-1).embeddings[0]
        else:
            wanted = original.encode([LONG])[0]
            got = engine.embed([LONG], truncate_prompt_tokens=-1).embeddings[0]
        np.testing.assert_allclose(got, wanted, atol=1e-5)
