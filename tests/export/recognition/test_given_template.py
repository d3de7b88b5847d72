"""A score template that an export is given, against transformers with the same prompts."""

import json
from contextlib import closing

import numpy as np
import pytest
import torch
import transformers

from checkpoints import rerankers
from engine import Engine
from export.__main__ import main

TEMPLATE = """\
{{ bos_token }}Query: {{ (messages | selectattr("role", "eq", "query") | first).content }}
Document: {{ (messages | selectattr("role", "eq", "document") | first).content }}
Relevant:"""
PAIRS = [("What is a list?", "A list is mutable."), ("who", "nobody, and never at any time"), ("a b", "c")]


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE.removeprefix("{{ bos_token }}")])
def test_a_language_models_reranker_reads_the_template_that_its_export_is_given(tmp_path, capsys, template):
    """Whether the template writes the tokenizer's first token or leaves it to the tokenizer."""
    folder = rerankers.bge_gemma(tmp_path / "reranker")
    file = tmp_path / "score.jinja"
    file.write_text(template)
    overrides = json.dumps({"classifier_from_token": ["Yes"]})
    options = ["--hf-overrides", overrides, "--chat-template", str(file), "--output", str(tmp_path / "out")]
    assert main([str(folder), *options]) == 0
    assert "warning" not in capsys.readouterr().err
    artifact = tmp_path / "out" / "reranker"
    assert (artifact / "score_template.jinja").read_text() == template

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    wanted = []
    for query, document in PAIRS:
        encoded = tokenizer(f"Query: {query}\nDocument: {document}\nRelevant:", return_tensors="pt")
        assert encoded["input_ids"][0, 0] == tokenizer.bos_token_id
        with torch.no_grad():
            wanted.append(model(**encoded).logits[0, -1, tokenizer.convert_tokens_to_ids("Yes")].item())
    with closing(Engine.load(artifact)) as engine:
        got = engine.score(*map(list, zip(*PAIRS, strict=True)), use_activation=False).scores
    np.testing.assert_allclose(got, wanted, atol=1e-4)
