"""The engine on real weights: parity, batch independence, threads, and what it refuses."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from checkpoints.minilm import build_minilm_ce, minilm_folder
from engine import ArtifactError, Engine, InvalidInput, UnsupportedTask
from engine.artifact.artifact import SCORE_TEMPLATE
from engine.artifact.manifest import sha256
from export.verification.texts import texts
from tests.manifests import edit_manifest

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "The capital of France is Paris.", "Horses and cows"]


@pytest.fixture(scope="module")
def cross_encoder(artifacts):
    return Engine.load(artifacts("minilm-ce"))


@pytest.fixture(scope="module")
def bi_encoder(artifacts):
    return Engine.load(artifacts("minilm-bi"))


@pytest.fixture(scope="module")
def colbert(artifacts):
    return Engine.load(artifacts("minilm-pylate"))


def test_a_cross_encoder_scores_as_sentence_transformers_does(cross_encoder, tmp_path):
    reference = CrossEncoder(str(build_minilm_ce(tmp_path / "minilm-ce")), device="cpu")
    pairs = texts().pairs[:64]
    want = reference.predict(pairs, activation_fn=torch.nn.Identity())
    queries, documents = zip(*pairs, strict=True)
    got = cross_encoder.score(queries, documents, use_activation=False, truncate_prompt_tokens=-1)
    np.testing.assert_allclose(got.scores, want, atol=1e-4)
    activated = cross_encoder.score(queries, documents, truncate_prompt_tokens=-1)
    np.testing.assert_allclose(activated.scores, torch.sigmoid(torch.from_numpy(want)), atol=1e-5)


def test_a_bi_encoder_embeds_as_sentence_transformers_does(bi_encoder):
    reference = SentenceTransformer(str(minilm_folder()), device="cpu")
    content = texts().documents
    got = bi_encoder.embed(content, truncate_prompt_tokens=-1)
    np.testing.assert_allclose(got.embeddings, reference.encode(content), atol=1e-5)
    assert got.embeddings.dtype == np.float32
    assert max(got.tokens) == bi_encoder.manifest.max_length == 256
    scores = bi_encoder.score(QUERY, DOCUMENTS).scores
    want = reference.similarity(reference.encode([QUERY]), reference.encode(DOCUMENTS))[0]
    np.testing.assert_allclose(scores, want, atol=1e-5)


def test_late_interaction_scores_as_pylate_does(colbert):
    recorded = json.loads((Path(__file__).parent / "pylate_scores.json").read_text())
    for query, want in zip(recorded["queries"], recorded["scores"], strict=True):
        np.testing.assert_allclose(colbert.score(query, recorded["documents"]).scores, want, atol=1e-3)
    queries = colbert.embed_tokens(recorded["queries"], role="query").embeddings
    documents = colbert.embed_tokens(recorded["documents"]).embeddings
    assert [len(rows) for rows in queries] == recorded["query_tokens"]
    assert [len(rows) for rows in documents] == recorded["document_tokens"]


def test_rerank_orders_by_score_and_keeps_the_order_of_equals(cross_encoder):
    ranking = cross_encoder.rerank(QUERY, [DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[1], DOCUMENTS[2]])
    scores = [ranked.score for ranked in ranking.results]
    assert scores == sorted(scores, reverse=True)
    assert [ranked.index for ranked in ranking.results if ranked.index in (1, 2)] == [1, 2]
    assert [ranked.index for ranked in cross_encoder.rerank(QUERY, DOCUMENTS, top_n=1).results] == [
        ranking.results[0].index - 1
    ]
    assert len(cross_encoder.rerank(QUERY, DOCUMENTS, top_n=0).results) == 3


@pytest.mark.parametrize("kind", ["cross_encoder", "bi_encoder", "colbert"])
def test_one_to_many_is_many_times_one_to_one(kind, request):
    engine = request.getfixturevalue(kind)
    together = engine.score(QUERY, DOCUMENTS)
    singly = [engine.score(QUERY, document).scores[0] for document in DOCUMENTS]
    np.testing.assert_allclose(together.scores, singly, atol=1e-6)
    pairwise = engine.score([QUERY, "horses", QUERY], DOCUMENTS)
    np.testing.assert_allclose(pairwise.scores[[0, 2]], together.scores[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(pairwise.scores[1], engine.score("horses", DOCUMENTS[1]).scores[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["cross_encoder", "bi_encoder", "colbert"])
def test_many_threads_share_an_engine(kind, request):
    engine = request.getfixturevalue(kind)
    queries = texts().queries[:8]
    want = [engine.score(query, DOCUMENTS).scores for query in queries]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda query: engine.score(query, DOCUMENTS).scores, queries * 4))
    for index, scores in enumerate(got):
        np.testing.assert_allclose(scores, want[index % 8], atol=1e-6)


def test_activation_is_the_cross_encoders_alone(cross_encoder, bi_encoder, colbert):
    logits = cross_encoder.score(QUERY, DOCUMENTS, use_activation=False).scores
    np.testing.assert_allclose(cross_encoder.score(QUERY, DOCUMENTS).scores, 1 / (1 + np.exp(-logits)), atol=1e-6)
    for engine in (bi_encoder, colbert):
        want = engine.score(QUERY, DOCUMENTS).scores
        np.testing.assert_array_equal(engine.score(QUERY, DOCUMENTS, use_activation=False).scores, want)


def test_empty_texts_are_ordinary(cross_encoder, bi_encoder):
    scores = cross_encoder.score("", "")
    assert scores.tokens == 3
    assert np.isfinite(scores.scores).all()
    assert bi_encoder.score("", "").scores[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        ([], ["a"], "At least one text element must be given"),
        (["a"], [], "At least one text_pair element must be given"),
        (["a", "b"], ["a", "b", "c"], "Input lengths must be either 1:1, 1:N or N:N"),
        (["a", "b"], "a", "Input lengths must be either 1:1, 1:N or N:N"),
    ],
)
def test_lengths_that_do_not_pair_up_are_refused(cross_encoder, queries, documents, message):
    with pytest.raises(InvalidInput, match=message):
        cross_encoder.score(queries, documents)


@pytest.mark.parametrize("kind", ["cross_encoder", "bi_encoder", "colbert"])
def test_half_a_surrogate_pair_is_refused(kind, request):
    engine = request.getfixturevalue(kind)
    with pytest.raises(InvalidInput, match="half of a surrogate pair, U\\+DC80"):
        engine.score(["query"], ["document \udc80"])
    with pytest.raises(InvalidInput, match="half of a surrogate pair, U\\+D800"):
        engine.tokenize("\ud800")


def test_tasks_of_another_score_type_are_refused(cross_encoder, bi_encoder):
    with pytest.raises(UnsupportedTask, match=r"^Unsupported task: 'embed'"):
        cross_encoder.embed("a")
    with pytest.raises(UnsupportedTask, match=r"^Unsupported task: 'embed'"):
        cross_encoder.embed_query("a")
    with pytest.raises(UnsupportedTask, match=r"^Unsupported task: 'token_embed'"):
        bi_encoder.embed_tokens("a")
    with pytest.raises(InvalidInput, match="At least one text"):
        bi_encoder.embed([])


TEMPLATE = """\
{%- if instruction %}{{ instruction }} {% endif -%}
{{ messages | map(attribute="content") | join(" [SEP] ") }} [SEP] {{ task | default("relevant?") }}"""


@pytest.fixture(scope="module")
def prompted(artifacts):
    return Engine.load(artifacts("minilm-ce"), chat_template=TEMPLATE)


def test_a_score_template_makes_the_input(prompted, artifacts, tmp_path):
    """Against transformers' tokenizer and model on the text the template stands for."""
    model, tokenizer = _reference(tmp_path)
    prompts = [f"{QUERY} [SEP] {document} [SEP] relevant?" for document in DOCUMENTS]
    with torch.no_grad():
        want = [model(**tokenizer(prompt, return_tensors="pt")).logits.item() for prompt in prompts]
    scored = prompted.score(QUERY, DOCUMENTS, use_activation=False)
    np.testing.assert_allclose(scored.scores, want, atol=1e-4)
    assert scored.tokens == sum(len(tokenizer(prompt)["input_ids"]) for prompt in prompts)
    assert np.abs(scored.scores - Engine.load(artifacts("minilm-ce")).score(QUERY, DOCUMENTS).scores).max() > 0.01


def test_an_instruction_and_variables_reach_the_template(prompted, tmp_path):
    model, tokenizer = _reference(tmp_path)
    # The system's message comes first, and this template prints every message.
    prompt = f"Be strict. Be strict. [SEP] {QUERY} [SEP] {DOCUMENTS[1]} [SEP] why?"
    with torch.no_grad():
        want = model(**tokenizer(prompt, return_tensors="pt")).logits.item()
    said = {"instruction": "Be strict.", "chat_template_kwargs": {"task": "why?"}}
    (got,) = prompted.score(QUERY, DOCUMENTS[1], use_activation=False, **said).scores
    assert got == pytest.approx(want, abs=1e-4)
    ranking = prompted.rerank(QUERY, DOCUMENTS, use_activation=False, **said)
    assert {ranked.index: ranked.score for ranked in ranking.results}[1] == pytest.approx(want, abs=1e-4)


def test_the_artifacts_own_template_is_used_unless_another_is_given(artifacts, prompted, tmp_path):
    folder = shutil.copytree(artifacts("minilm-ce"), tmp_path / "own")
    (folder / SCORE_TEMPLATE).write_text(TEMPLATE)
    described = {"sha256": sha256(folder / SCORE_TEMPLATE), "size": len(TEMPLATE)}

    def add(manifest):
        manifest["template"] = SCORE_TEMPLATE
        manifest["files"][SCORE_TEMPLATE] = described

    edit_manifest(folder, add)
    want = prompted.score(QUERY, DOCUMENTS).scores
    np.testing.assert_array_equal(Engine.load(folder).score(QUERY, DOCUMENTS).scores, want)
    other = Engine.load(folder, chat_template=TEMPLATE + " Yes or no:")
    assert np.abs(other.score(QUERY, DOCUMENTS).scores - want).max() > 1e-3
    edit_manifest(folder, lambda manifest: manifest["files"].pop(SCORE_TEMPLATE))
    with pytest.raises(ArtifactError, match=r"does not list score_template\.jinja"):
        Engine.load(folder)


def test_a_template_is_for_cross_encoders_alone(artifacts):
    with pytest.raises(ArtifactError, match="minilm-bi is a bi-encoder model, and only cross-encoders take"):
        Engine.load(artifacts("minilm-bi"), chat_template=TEMPLATE)


@pytest.mark.parametrize("kind", ["cross_encoder", "bi_encoder", "colbert"])
def test_prompting_a_model_without_a_template_is_refused(kind, request):
    engine = request.getfixturevalue(kind)
    for name, value in (("instruction", "Be strict."), ("chat_template_kwargs", {"task": "x"})):
        with pytest.raises(InvalidInput) as refused:
            engine.score(QUERY, DOCUMENTS, **{name: value})
        assert refused.value.parameter == name
    assert len(engine.score(QUERY, DOCUMENTS, chat_template_kwargs={}).scores) == 3


def test_an_instruction_replaces_the_one_in_a_query_prompt(bi_encoder):
    own = "Given a question, find its answer"
    prompt = "Instruct: {}\nQuery: "
    query = msgspec.structs.replace(bi_encoder.manifest.query, prompt=prompt.format(own), instruction=own)
    instructed = _with(bi_encoder, query=query)
    for instruction, said in ((None, own), ("Find cows", "Find cows")):
        written = prompt.format(said) + QUERY
        want = bi_encoder.embed(written).embeddings
        got = instructed.embed(QUERY, role="query", instruction=instruction)
        np.testing.assert_array_equal(got.embeddings, want)
        scores = instructed.score(QUERY, DOCUMENTS, instruction=instruction).scores
        np.testing.assert_allclose(scores, bi_encoder.score(written, DOCUMENTS).scores, atol=1e-6)
    with pytest.raises(InvalidInput, match="takes no instruction here"):
        instructed.embed(QUERY, role="document", instruction="Find cows")


def test_matryoshka_embeddings_are_cut_and_normalised_again(bi_encoder):
    whole = bi_encoder.embed(DOCUMENTS).embeddings
    nested = _with(bi_encoder, matryoshka=[64, 128])
    got = nested.embed(DOCUMENTS, dimensions=64).embeddings
    want = torch.nn.functional.normalize(torch.from_numpy(whole[:, :64]), dim=-1)
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(nested.embed(DOCUMENTS).embeddings, whole, atol=1e-6)
    np.testing.assert_allclose(nested.embed(DOCUMENTS, dimensions=384).embeddings, whole, atol=1e-6)
    np.testing.assert_array_equal(bi_encoder.embed(DOCUMENTS, dimensions=384).embeddings, whole)
    with pytest.raises(InvalidInput, match=r"^dimensions must be a whole number or None, not '384'\."):
        bi_encoder.embed(DOCUMENTS, dimensions="384")
    raw = _with(bi_encoder, matryoshka=[], normalized=False)
    np.testing.assert_allclose(raw.embed(DOCUMENTS, dimensions=3).embeddings, whole[:, :3], atol=1e-6)
    for engine, size, message, parameter in (
        (nested, 63, "one of 64, 128 for this model, not 63", "dimensions"),
        (raw, 385, "from 1 to 384", "dimensions"),
        (raw, 0, "from 1 to 384", "dimensions"),
        (bi_encoder, 64, "this is none", None),
    ):
        with pytest.raises(InvalidInput, match=message) as refused:
            engine.embed(DOCUMENTS, dimensions=size)
        assert refused.value.parameter == parameter


def test_a_querys_skipped_tokens_are_not_scored(colbert):
    layout = colbert.manifest.query
    whole = colbert.embed_tokens(QUERY, role="query").embeddings[0]
    skipping = _with(colbert, query=msgspec.structs.replace(layout, skip=[layout.prefix[0]]))
    rows = skipping.embed_tokens(QUERY, role="query").embeddings[0]
    np.testing.assert_array_equal(rows, whole[1:])
    documents = colbert.embed_tokens(DOCUMENTS).embeddings
    want = [(document @ rows.T).max(axis=0).sum() for document in documents]
    np.testing.assert_allclose(skipping.score(QUERY, DOCUMENTS).scores, want, atol=1e-4)


def _with(engine, **changes):
    """The same engine with a manifest that says something else."""
    manifest = msgspec.structs.replace(engine.manifest, **changes)
    return Engine(manifest, engine._opened, engine._tokenizer)


def _reference(folder):
    checkpoint = build_minilm_ce(folder / "minilm-ce")
    return AutoModelForSequenceClassification.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
