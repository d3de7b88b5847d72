"""Embedders whose checkpoint has heads that no embedding needs."""

import json
from contextlib import closing

import numpy as np
import pytest
import torch
import transformers

from checkpoints import tiny
from checkpoints.minilm import write_json
from engine import Engine
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.recognition.recognise import recognise
from export.tracing.network import load_network

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
        ("distilbert", "ForSequenceClassification"),
        ("xlm-roberta", "ForSequenceClassification"),
        ("roberta", "ForTokenClassification"),
    ],
)
def test_a_body_is_loaded_without_the_head_that_it_was_trained_with(tmp_path, family, head):
    folder = tiny.build(family, tmp_path / "model", head=head)
    config = json.loads((folder / "config.json").read_text())
    body = config["architectures"][0].removesuffix(head) + "Model"
    write_json(folder / "config.json", config | {"architectures": [body]})
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    loaded = load_network(checkpoint, recognise(checkpoint))
    assert (loaded.missing, loaded.unexpected) == ([], [])


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
