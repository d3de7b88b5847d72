"""Embedders whose checkpoint has heads that no embedding needs."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from checkpoints import rerankers, tiny
from checkpoints.minilm import write_json
from engine import Engine
from export.__main__ import main
from export.checkpoint.files import Checkpoint, open_checkpoint
from export.errors import ExportError
from export.recognition.recognise import recognise
from export.tracing.network import load_network, stray_weights

TEXTS = ["What is a list?", "A list is mutable.", "nobody, and never at any time"]


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("bert", "ForPreTraining"),
        ("bert", "ForQuestionAnswering"),
        ("roberta", "ForMaskedLM"),
        ("mpnet", "ForMaskedLM"),
        ("modernbert", "ForMaskedLM"),
        ("deberta-v2", "ForMaskedLM"),
    ],
)
def test_a_body_is_loaded_without_the_head_that_it_was_trained_with(tmp_path, family, head):
    checkpoint = called_by_its_body(tmp_path / "model", family, head)
    loaded = load_network(checkpoint, recognise(checkpoint))
    assert (loaded.missing, loaded.unexpected) == ([], [])


def called_by_its_body(folder: Path, family: str, head: str) -> Checkpoint:
    tiny.build(family, folder, head=head)
    config = json.loads((folder / "config.json").read_text())
    body = config["architectures"][0].removesuffix(head) + "Model"
    write_json(folder / "config.json", config | {"architectures": [body]})
    return open_checkpoint(str(folder), None, {}, False)


@pytest.mark.parametrize(
    ("family", "named"),
    [
        ("bert", "classifier.bias, classifier.weight"),
        ("distilbert", "classifier.bias, classifier.weight, pre_classifier.bias, pre_classifier.weight"),
        ("xlm-roberta", "classifier.dense.bias"),
        ("modernbert", "classifier.bias, classifier.weight"),
        ("deberta-v2", "classifier.bias, classifier.weight"),
    ],
)
def test_a_classifier_under_the_name_of_its_body_is_refused_with_what_to_say(tmp_path, capsys, family, named):
    """Its scores would go without a word. Either advice is taken."""
    folder = tmp_path / "model"
    checkpoint = called_by_its_body(folder, family, "ForSequenceClassification")
    whole = checkpoint.architecture.removesuffix("Model") + "ForSequenceClassification"
    override = {"architectures": [whole]}
    assert main([str(folder), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"has unexpected weights {named}" in said
    assert f"(--hf-overrides '{json.dumps(override)}'), or say --score-type bi-encoder where" in said
    embedder = load_network(checkpoint, recognise(checkpoint, "bi-encoder"))
    assert (embedder.missing, embedder.unexpected) == ([], [])
    named_so = open_checkpoint(str(folder), None, override, False)
    reranker = recognise(named_so)
    loaded = load_network(named_so, reranker)
    assert (reranker.score_type, loaded.missing, loaded.unexpected) == ("cross-encoder", [], [])


@pytest.mark.parametrize(
    ("name", "architecture", "also"),
    [
        ("model", "Qwen3Model", "or say --score-type bi-encoder where its body alone embeds."),
        ("Qwen3-Reranker-0.6B", "Qwen3ForCausalLM", "}')."),
    ],
)
def test_a_decoders_classifier_is_not_passed_over_either(tmp_path, name, architecture, also):
    folder = rerankers.qwen3_reranker_seq_cls(tmp_path / name)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"architectures": [architecture]})
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    loaded = load_network(checkpoint, recognise(checkpoint))
    with pytest.raises(ExportError, match=r"unexpected weights score\.weight.*Qwen3ForSequenceClassification") as said:
        stray_weights(loaded, architecture, allow_missing=False)
    assert str(said.value).endswith(also)


def test_a_folder_of_modules_embeds_whatever_head_its_body_was_trained_with(tmp_path):
    folder = tmp_path / "model"
    called_by_its_body(folder, "distilbert", "ForSequenceClassification")
    transformer = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    pooling = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    write_json(folder / "modules.json", [transformer, pooling])
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    assert load_network(checkpoint, recognise(checkpoint)).unexpected == []


def test_a_model_of_masked_words_embeds_where_it_is_asked_to(tmp_path):
    folder = tiny.build("distilbert", tmp_path / "model", head="ForMaskedLM")
    assert main([str(folder), "--output", str(tmp_path / "out"), "--score-type", "bi-encoder"]) == 0
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    wanted = []
    for text in TEXTS:
        with torch.no_grad():
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
        wanted.append(mean / np.linalg.norm(mean))
    with closing(Engine.load(tmp_path / "out" / "model")) as engine:
        got = engine.embed(TEXTS).embeddings
    np.testing.assert_allclose(got / np.linalg.norm(got, axis=1, keepdims=True), wanted, atol=1e-5)
