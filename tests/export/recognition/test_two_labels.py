"""Rerankers of two labels: the difference is the score, and its sigmoid the softmax of the two."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from checkpoints import rerankers, tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import folder_of, write_body
from engine import Engine
from export.__main__ import main

PAIRS = [("What is a list?", "A list is mutable."), ("who", "nobody, and never at any time"), ("a b", "c")]


def two_labels(folder: Path, name: str, labels: list[str]) -> Path:
    """The classifier's row, and another beside it."""
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(7)
    for end in ("weight", "bias"):
        key = f"{name}.{end}"
        if key in weights:
            row = weights[key]
            weights[key] = torch.cat([row.flip(-1) * 0.5 + torch.randn_like(row) * 0.02, row])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    named = dict(enumerate(labels))
    numbers = {label: number for number, label in named.items()}
    write_json(folder / "config.json", config | {"id2label": named, "label2id": numbers})
    return folder


def probabilities(folder: Path, texts: list[tuple[str, str]] | list[str]) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        encoded = tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt")
        with torch.no_grad():
            rows.append(model(**encoded).logits.softmax(-1)[0].numpy())
    return np.array(rows)


def scores(artifact: Path) -> list[float]:
    engine = Engine.load(artifact)
    try:
        return [engine.score(*pair).scores[0] for pair in PAIRS]
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("body", "name", "labels", "positive"),
    [
        ("bert", "classifier", ["LABEL_0", "LABEL_1"], 1),
        ("xlm-roberta", "classifier.out_proj", ["relevant", "irrelevant"], 0),
    ],
)
def test_the_score_is_the_relevant_labels_probability(tmp_path, body, name, labels, positive):
    folder = two_labels(tiny.build(body, tmp_path / body), name, labels)
    assert main([str(folder), "--output", str(tmp_path / "out")]) == 0
    wanted = probabilities(folder, PAIRS)[:, positive]
    np.testing.assert_allclose(scores(tmp_path / "out" / body), wanted, atol=1e-5)


def test_a_language_models_classifier_and_a_published_graph_score_alike(tmp_path):
    decoder = two_labels(rerankers.qwen3_reranker_seq_cls(tmp_path / "qwen3-reranker"), "score", ["no", "yes"])
    assert main([str(decoder), "--output", str(tmp_path / "out")]) == 0
    engine = Engine.load(tmp_path / "out" / "qwen3-reranker")
    assert all(0 < score < 1 for score in engine.score(*PAIRS[0]).scores)
    bert = two_labels(tiny.build("bert", tmp_path / "bert"), "classifier", ["not_duplicate", "duplicate"])
    folder = folder_of(bert, tmp_path / "graphs")
    write_body(bert, folder / "onnx" / "model.onnx", ("logits",))
    assert main(["--from-onnx", str(folder), "--output", str(tmp_path / "out")]) == 0
    np.testing.assert_allclose(scores(tmp_path / "out" / "graphs"), probabilities(bert, PAIRS)[:, 1], atol=1e-5)
