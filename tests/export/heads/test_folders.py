"""Folders that sentence-transformers wrote, against its own encode and predict."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoModel, AutoTokenizer

from checkpoints import tiny
from checkpoints.minilm import write_json
from engine import Engine
from engine.artifact.manifest import read_manifest
from export.__main__ import main
from export.recognition.module_list import POOLING_MODES
from export.verification.texts import texts


@pytest.mark.slow
def test_a_folder_with_every_module_embeds_as_sentence_transformers_does(tmp_path):
    """All six pooling modes side by side, Dense, LayerNorm, Normalize, prompts and max_seq_length."""
    body = tiny.build("bert", tmp_path / "body", head="Model")
    transformer = modules.Transformer(str(body), max_seq_length=48)
    pooling = modules.Pooling(128, POOLING_MODES)
    torch.manual_seed(1)
    dense = modules.Dense(128 * 6, 24, activation_function=torch.nn.Tanh())
    prompts = {"query": "query: ", "document": "passage: "}
    reference = SentenceTransformer(
        modules=[transformer, pooling, dense, modules.LayerNorm(24), modules.Normalize()], prompts=prompts
    )
    reference.save(str(tmp_path / "st"))
    write_json(tmp_path / "st" / "sentence_bert_config.json", {"max_seq_length": 48})
    assert main([str(tmp_path / "st"), "--output", str(tmp_path / "out")]) == 0

    engine = Engine.load(tmp_path / "out" / "st")
    queries, documents = texts().queries, texts().documents
    got = engine.embed(queries, role="query", truncate_prompt_tokens=-1).embeddings
    np.testing.assert_allclose(got, reference.encode_query(queries), atol=1e-5)
    got = engine.embed(documents, truncate_prompt_tokens=-1).embeddings
    np.testing.assert_allclose(got, reference.encode_document(documents), atol=1e-5)
    manifest = read_manifest(tmp_path / "out" / "st")
    assert manifest.pooling == "+".join(POOLING_MODES)
    assert (manifest.max_length, manifest.dimension, manifest.projections) == (48, 24, [24])
    assert manifest.normalized


@pytest.mark.slow
def test_a_body_in_a_folder_of_its_own_embeds_as_sentence_transformers_does(tmp_path):
    """Other weights in the root, settings under one of their older names, and texts that only those lower-case."""
    root = tiny.build("bert", tmp_path, head="Model")
    own = tiny.build("distilbert", tmp_path / "own", head="Model")
    own.rename(root / "0_Transformer")
    tokenizer = json.loads((root / "0_Transformer" / "tokenizer.json").read_text())
    (root / "0_Transformer" / "tokenizer.json").write_text(json.dumps(tokenizer | {"normalizer": None}))
    write_json(
        root / "0_Transformer" / "sentence_distilbert_config.json", {"max_seq_length": 64, "do_lower_case": True}
    )
    (root / "1_Pooling").mkdir()
    write_json(root / "1_Pooling" / "config.json", {"pooling_mode": "cls", "word_embedding_dimension": 128})
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling"}
    listed = [
        {"path": path, "name": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()
    ]
    write_json(root / "modules.json", listed)
    assert main([str(root), "--output", str(tmp_path / "out")]) == 0

    engine = Engine.load(tmp_path / "out" / root.name)
    assert engine.manifest.max_length == 64
    contents = [*texts().documents, "HORSES Graze", "horses graze"]
    got = engine.embed(contents, truncate_prompt_tokens=-1).embeddings
    np.testing.assert_allclose(got, SentenceTransformer(str(root)).encode(contents), atol=1e-5)
    np.testing.assert_array_equal(got[-1], got[-2])


@pytest.mark.slow
def test_a_cross_encoder_folder_that_pools_and_projects_scores_as_sentence_transformers_does(tmp_path):
    body = tiny.build("bert", tmp_path / "body", head="Model")
    torch.manual_seed(2)
    layers = [
        modules.Transformer(str(body), max_seq_length=512),
        modules.Pooling(128, "mean"),
        modules.Dense(128, 32, activation_function=torch.nn.GELU()),
        modules.Dense(32, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]
    reference = CrossEncoder(modules=layers, activation_fn=torch.nn.Identity(), device="cpu")
    reference.save_pretrained(str(tmp_path / "ce"))
    assert main([str(tmp_path / "ce"), "--output", str(tmp_path / "out")]) == 0
    pairs = texts().pairs[:32]
    engine = Engine.load(tmp_path / "out" / "ce")
    queries, documents = zip(*pairs, strict=True)
    got = engine.score(queries, documents, truncate_prompt_tokens=-1).scores
    assert engine.manifest.activation == "identity"
    np.testing.assert_allclose(got, reference.predict(pairs), atol=1e-5)


@pytest.mark.slow
def test_a_plain_body_is_pooled_by_its_mean_or_turned_into_token_embeddings(tmp_path):
    checkpoint = tiny.build("distilbert", tmp_path / "plain", head="Model")
    assert main([str(checkpoint), "--output", str(tmp_path / "bi")]) == 0
    late = [str(checkpoint), "--output", str(tmp_path / "late"), "--score-type", "late-interaction"]
    assert main(late) == 0

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoding = tokenizer(["some text here"], return_tensors="pt")
    with torch.no_grad():
        states = AutoModel.from_pretrained(checkpoint)(**encoding).last_hidden_state[0]
    embedding = Engine.load(tmp_path / "bi" / "plain").embed("some text here").embeddings[0]
    np.testing.assert_allclose(embedding, states.mean(dim=0), atol=1e-5)
    rows = Engine.load(tmp_path / "late" / "plain").embed_tokens("some text here").embeddings[0]
    np.testing.assert_allclose(rows, torch.nn.functional.normalize(states, dim=-1), atol=1e-5)
