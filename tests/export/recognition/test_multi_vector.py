"""Folders that MultiVectorEncoder has saved: scores are its own, and what they cannot be is said."""

import json
import string
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

from checkpoints import tiny
from checkpoints.minilm import write_json
from engine import Engine
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.errors import ExportError
from export.recognition.recognise import recognise

EXPANDED = {"strategy": "fixed", "attend": False, "token": None, "length": 16}
QUERY = "What is a list?"
TEXTS = ["A list is mutable.", "a, b; (c) - d!", "[MASK] x", "", "nobody, and never at any time " * 30]


def saved(
    folder: Path, tasks: list[str], prompts: dict[str, str], words: list[str] | None = None, **settings: Any
) -> Path:
    body = tiny.build("bert", folder.parent / "body", head="Model")
    torch.manual_seed(3)
    project = Dense(128, 32, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings")
    mask = MultiVectorMask([*string.punctuation] if words is None else words, skiplist_tasks=tasks)
    modules = [Transformer(str(body), **settings), project, mask, Normalize(module_input_name="token_embeddings")]
    MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu").save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize(
    ("tasks", "prompts", "settings"),
    [
        (["document"], {"query": "[unused0]", "document": "[unused1]"}, {"query_expansion": EXPANDED}),
        (
            ["query", "document"],
            {"query": "ask: ", "document": "read: "},
            {"query_expansion": EXPANDED | {"attend": True}, "document_length": 40},
        ),
        # The unknown token does not stand for a word that the vocabulary lacks.
        (
            ["document"],
            {"search": "not of a role: "},
            {"query_length": 8, "document_length": 24, "words": [".", "nosuchword"]},
        ),
    ],
)
def test_scores_are_those_of_the_encoder_that_saved_it(tmp_path, tasks, prompts, settings):
    folder = saved(tmp_path / "model", tasks, prompts, **settings)
    edit(folder, "config_sentence_transformers.json", default_prompt_name="search" if "search" in prompts else None)
    assert main([str(folder), "--output", str(tmp_path / "out"), "--verify", "0.05"]) == 0
    encoder = MultiVectorEncoder(str(folder), device="cpu")
    query = encoder.encode_query([QUERY])
    texts = [*TEXTS, "北京 🙂"]
    wanted = [float(encoder.similarity(query, encoder.encode_document([text]))[0][0]) for text in texts]
    with closing(Engine.load(tmp_path / "out" / "model")) as engine:
        got = engine.score(QUERY, texts, truncate_prompt_tokens=-1).scores
    np.testing.assert_allclose(got, wanted, atol=2e-4)


def edit(folder: Path, file: str, **settings: Any) -> None:
    content = json.loads((folder / file).read_text())
    write_json(folder / file, content | settings)


@pytest.mark.parametrize(
    ("file", "settings", "said"),
    [
        ("sentence_bert_config.json", {"query_expansion": EXPANDED | {"strategy": "min"}}, "must be fixed"),
        ("sentence_bert_config.json", {"query_expansion": EXPANDED | {"token": "a"}}, "must be null"),
        (
            "sentence_bert_config.json",
            {"query_expansion": {"strategy": "fixed"}},
            "length null, and it must be a whole",
        ),
        ("2_MultiVectorMask/config.json", {"keep_only_token_ids": [5]}, "keep_only_token_ids .* must be null"),
        ("2_MultiVectorMask/config.json", {"skiplist_tasks": 5}, "skiplist_tasks 5"),
        ("3_Normalize/config.json", {"module_input_name": "sentence_embedding"}, "The Normalize module in 3_Normalize"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "meanmaxsim"}, "similarity_fn_name"),
        ("config_sentence_transformers.json", {"query_prefix": "[Q] "}, "query_prefix .* must be absent"),
    ],
)
def test_what_the_graph_would_not_compute_is_named(tmp_path, file, settings, said):
    folder = saved(tmp_path / "model", ["document"], {}, query_expansion=EXPANDED)
    edit(folder, file, **settings)
    with pytest.raises(ExportError, match=said):
        recognise(open_checkpoint(str(folder), None, {}, False))


def test_a_folder_that_does_not_normalise_is_refused(tmp_path):
    folder = saved(tmp_path / "model", ["document"], {})
    write_json(folder / "modules.json", json.loads((folder / "modules.json").read_text())[:-1])
    with pytest.raises(ExportError, match="does not end its Dense modules in one Normalize"):
        recognise(open_checkpoint(str(folder), None, {}, False))
