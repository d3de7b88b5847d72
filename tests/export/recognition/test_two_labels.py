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
from export.checkpoint.files import open_checkpoint
from export.errors import ExportError
from export.heads.loaded import load_head
from export.recognition.labels import positive_label
from export.recognition.recognise import recognise

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


def numbered(*names: str) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}


@pytest.mark.parametrize(
    ("config", "positive"),
    [
        ({}, 1),
        ({"id2label": numbered("LABEL_0", "LABEL_1"), "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, 1),
        ({"id2label": numbered("0", "1")}, 1),
        ({"id2label": numbered("0.0", "1.0")}, 1),
        ({"label2id": {"LABEL_0.0": 0, "LABEL_1.0": 1}}, 1),
        ({"id2label": numbered("no", "yes")}, 1),
        ({"id2label": numbered("Duplicate", "NotDuplicate")}, 0),
        ({"id2label": numbered("NOT_RELEVANT", "RELEVANT")}, 1),
        ({"id2label": numbered("no answer", "answer")}, 1),
        ({"id2label": numbered("grammatical", "ungrammatical")}, 0),
        # transformers' own names stay beside those that somebody gave later.
        ({"id2label": numbered("relevant", "irrelevant"), "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, 0),
        ({"label2id": {"yes": 0, "no": 1}}, 0),
        ({"label2id": {"no": "0", "yes": "1"}}, 1),
    ],
)
def test_either_list_of_names_tells_the_relevant_label(config, positive):
    assert positive_label("X", config, {}) == positive


SAY_SO = (
    """say so with --hf-overrides '{"id2label": {"0": "not relevant", "1": "relevant"}}', or the other way round."""
)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"id2label": {"1": "relevant", "2": "irrelevant"}}, "X numbers its two labels 1 and 2, and they are 0 and 1"),
        ({"label2id": {"relevant": 2, "irrelevant": 1}}, "X numbers its two labels 2 and 1, and they are 0 and 1"),
        ({"id2label": numbered("LABEL_1", "LABEL_0")}, "X calls its labels 0 and 1 LABEL_1 and LABEL_0, which does"),
        ({"id2label": numbered("1.0", "0.0")}, "X calls its labels 0 and 1 1.0 and 0.0, which does not say"),
        ({"id2label": numbered("1", "0")}, "X calls its labels 0 and 1 1 and 0, which does not say"),
        (
            {"id2label": numbered("yes", "no"), "label2id": {"yes": 1, "no": 0}},
            "X has labels whose id2label and label2",
        ),
        ({"id2label": numbered("yes", "no"), "label2id": {"bad": 0, "good": 1}}, "X has labels whose id2label and lab"),
        ({"id2label": numbered("no", "yes"), "label2id": {"no": 1}}, "X has labels whose id2label and label2id contr"),
        *(
            ({"id2label": numbered(*names)}, f"X has the labels {', '.join(names)}, and none of them says which one")
            for names in (("Notable", "Boring"), ("normal", "special"), ("United", "Divided"), ("no", "not at all"))
        ),
        *(
            ({"id2label": names}, "The id2label of the checkpoint's config.json gives no number to each label")
            for names in (["no", "yes"], {"a": "no", "b": "yes"}, {"0": "no", "1": "yes", "00": "x"}, 5)
        ),
    ],
)
def test_names_that_contradict_themselves_are_refused_until_the_user_says_which(config, sentence):
    with pytest.raises(ExportError) as refused:
        positive_label("X", config, {})
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(SAY_SO)
    said = {"id2label": numbered("relevant", "not relevant")}
    assert positive_label("X", config | said, said) == 0


@pytest.mark.parametrize(("count", "labels"), [(3, ["no", "yes"]), (1, ["no", "yes"]), (2, ["relevant"])])
def test_a_classifier_of_other_rows_than_labels_is_refused(tmp_path, count, labels):
    folder = rerankers.qwen3_reranker_seq_cls(tmp_path / "qwen3-reranker")
    weights = load_file(folder / "model.safetensors")
    row = weights["score.weight"]
    weights["score.weight"] = torch.cat([row * number for number in range(1, count + 1)])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"id2label": numbered(*labels), "label2id": None})
    recipe = recognise(open_checkpoint(str(folder), None, {}, False))
    with pytest.raises(ExportError) as refused:
        load_head(recipe.heads[-1])
    assert str(refused.value).startswith(
        f"score.weight has {count} row{'s' * (count > 1)}, and config.json {len(labels)} label"
    )
