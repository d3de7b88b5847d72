"""Documents longer than a model takes are scored by their chunks, each as a document of its own."""

import re
from itertools import pairwise

import numpy as np
import pytest

from engine import Engine, InputTooLong, InvalidInput, Job, Text
from engine.vectors.maxsim import maxsim
from tests.e2e.images import FIRST, SECOND

TEMPLATE = """\
{%- if instruction %}{{ instruction }} {% endif -%}
{% for message in messages if message.role != "system" %}{{ message.role }}: {{ message.content }} {% endfor -%}
[SEP] {{ task | default("relevant?") }}"""
TWICE = "{{ messages[0].content }} {{ messages[1].content }} again: {{ messages[1].content | trim }}"

QUERY = "What is the capital of France?"
FILLER = "Cows eat grass in the meadow, and the farmer mends his fence. It rained — a lot! — on Sunday…\n"
NEEDLE = "The capital of France is Paris. "
LONG = FILLER * 22 + NEEDLE + FILLER * 3
SHORT = ["The capital of Brazil is Brasilia.", "", "The capital of France is Paris.", "Horses [SEP] cows"]
DOCUMENTS = [SHORT[0], LONG, *SHORT[1:], FILLER * 22, LONG]
CHUNK = {"long_documents": "chunk", "max_chunks_per_doc": 20}


@pytest.fixture(scope="module")
def engines(artifacts):
    return {
        "cross-encoder": Engine.load(artifacts("minilm-ce")),
        "template": Engine.load(artifacts("minilm-ce"), chat_template=TEMPLATE),
        "document twice": Engine.load(artifacts("minilm-ce"), chat_template=TWICE),
        "bi-encoder": Engine.load(artifacts("minilm-bi")),
        "late interaction": Engine.load(artifacts("minilm-pylate")),
        "late interaction, cut nowhere": Engine.load(artifacts("minilm-colbert")),
    }


KINDS = pytest.mark.parametrize(
    "kind",
    [
        "cross-encoder",
        "template",
        "document twice",
        "bi-encoder",
        "late interaction",
        "late interaction, cut nowhere",
    ],
)


@KINDS
def test_a_chunks_score_is_that_of_its_text_by_itself(engines, kind):
    engine = engines[kind]
    scored = engine.score(QUERY, DOCUMENTS, **CHUNK)
    chunks = scored.chunks[1].chunks
    assert len(chunks) > 1
    assert not scored.chunks[1].truncated
    for chunk in chunks:
        assert chunk.text == LONG[chunk.start : chunk.end]
    alone = engine.score(QUERY, [chunk.text for chunk in chunks])
    np.testing.assert_allclose([chunk.score for chunk in chunks], alone.scores, atol=1e-5)
    if kind.startswith("late"):
        query, _ = engine.embed_query(QUERY)
        rows = engine.embed_tokens([chunk.text for chunk in chunks]).embeddings
        assert scored.scores[1] == pytest.approx(maxsim(query, [np.concatenate(rows)])[0], abs=1e-4)
        assert scored.scores[1] >= max(chunk.score for chunk in chunks)
    else:
        assert scored.scores[1] == pytest.approx(max(chunk.score for chunk in chunks), abs=1e-7)


@KINDS
def test_documents_that_fit_have_bit_for_bit_the_scores_that_they_have_without_chunks(engines, kind):
    engine = engines[kind]
    plain, chunked = engine.score(QUERY, SHORT), engine.score(QUERY, SHORT, **CHUNK)
    assert plain.scores.tobytes() == chunked.scores.tobytes()
    assert plain.tokens == chunked.tokens
    assert plain.chunks is None
    for document, score, own in zip(SHORT, plain.scores.tolist(), chunked.chunks, strict=True):
        assert [(chunk.text, chunk.start, chunk.end, chunk.score) for chunk in own.chunks] == [
            (document, 0, len(document), score)
        ]


@pytest.mark.parametrize("kind", ["bi-encoder", "late interaction", "late interaction, cut nowhere"])
def test_what_is_said_at_the_end_of_a_long_document_is_found(engines, kind):
    ranking = engines[kind].rerank(QUERY, [FILLER * 22, LONG], top_n=1, **CHUNK)
    (best,) = ranking.results
    assert best.index == 1
    assert "Paris" in max(best.chunks.chunks, key=lambda chunk: chunk.score).text
    blind = engines[kind].score(QUERY, [FILLER * 22, LONG], truncate_prompt_tokens=-1)
    np.testing.assert_allclose(blind.scores[0], blind.scores[1], atol=1e-5)


@KINDS
def test_usage_counts_what_is_run(engines, kind):
    engine, job = engines[kind], Job()
    scored = engine.score(QUERY, [LONG], job=job, **CHUNK)
    assert scored.tokens == job.tokens
    texts = [chunk.text for chunk in scored.chunks[0].chunks]
    alone = engine.score(QUERY, texts)
    assert scored.tokens == alone.tokens
    with pytest.raises(InvalidInput, match=f"more than the {job.tokens - 1:,}"):
        engine.score(QUERY, [LONG], job=Job(max_tokens=job.tokens - 1), **CHUNK)


@KINDS
def test_one_to_one_and_many_to_many(engines, kind):
    engine = engines[kind]
    queries = ["Where do cows live?", QUERY, "What is the capital of France? " * 4]
    documents = [LONG, SHORT[0], LONG]
    scored = engine.score(queries, documents, **CHUNK)
    for place, (query, document) in enumerate(zip(queries, documents, strict=True)):
        lone = engine.score(query, document, **CHUNK)
        assert scored.scores[place] == pytest.approx(lone.scores[0], abs=1e-5)
        assert [chunk.text for chunk in scored.chunks[place].chunks] == [chunk.text for chunk in lone.chunks[0].chunks]


@KINDS
def test_without_chunks_long_documents_are_refused_or_cut_as_asked(engines, kind):
    engine = engines[kind]
    if kind != "late interaction":  # it cuts documents by itself, as it was trained
        for refused in ({}, {"long_documents": None}, {"long_documents": "refuse"}):
            with pytest.raises(InputTooLong):
                engine.score(QUERY, DOCUMENTS, **refused)
    cut = engine.score(QUERY, DOCUMENTS, truncate_prompt_tokens=-1)
    same = engine.score(QUERY, DOCUMENTS, long_documents="truncate")
    assert cut.scores.tobytes() == same.scores.tobytes()


@KINDS
def test_fewer_chunks_and_overlap_as_asked(engines, kind):
    engine = engines[kind]
    few = engine.score(QUERY, [LONG * 2], long_documents="chunk", max_chunks_per_doc=2).chunks[0]
    assert len(few.chunks) == 2
    assert few.truncated
    for before, after in pairwise(few.chunks):
        assert not LONG[before.end : after.start].strip()
    lapping = engine.score(QUERY, [LONG], chunk_overlap=20, **CHUNK).chunks[0]
    for before, after in pairwise(lapping.chunks):
        assert before.start < after.start < before.end < after.end


@KINDS
def test_other_limits_hold_for_each_chunk(engines, kind):
    engine = engines[kind]
    smaller = engine.score(QUERY, [LONG], truncate_prompt_tokens=100, **CHUNK)
    assert len(smaller.chunks[0].chunks) > len(engine.score(QUERY, [LONG], **CHUNK).chunks[0].chunks)
    kept = engine.score(QUERY, [LONG], max_tokens_per_doc=600, **CHUNK).chunks[0]
    assert kept.truncated
    assert len(engine.tokenize(LONG[: kept.chunks[-1].end], add_special_tokens=False)) == pytest.approx(600, abs=1)
    few = engine.score(QUERY, [LONG], max_tokens_per_doc=20)
    same = engine.score(QUERY, [LONG], max_tokens_per_doc=20, **CHUNK)
    assert few.scores.tobytes() == same.scores.tobytes()
    assert len(same.chunks[0].chunks) == 1
    assert same.chunks[0].truncated


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"long_documents": "split"}, "long_documents must be 'refuse', 'truncate' or 'chunk', not 'split'"),
        ({"long_documents": "refuse", "truncate_prompt_tokens": -1}, "contradict each other: leave one of them out"),
        ({"long_documents": "chunk", "truncation_side": "left"}, "contradict each other"),
        ({"max_chunks_per_doc": 3}, "max_chunks_per_doc is for chunks"),
        ({"chunk_overlap": 3, "truncate_prompt_tokens": -1}, "chunk_overlap is for chunks"),
    ],
)
@pytest.mark.parametrize("kind", ["cross-encoder", "bi-encoder"])
def test_contradictions_are_named(engines, kind, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        engines[kind].score(QUERY, ["Cows eat grass."], **arguments)


def test_a_long_query_is_refused_or_cut_where_cutting_was_asked_for(engines):
    query = "What is the capital of France? " * 100
    for kind in ("cross-encoder", "template"):
        with pytest.raises(InvalidInput, match=r"leaves room for 0 tokens of a long document.*max_tokens_per_query"):
            engines[kind].score(query, [LONG], **CHUNK)
        engines[kind].score(query, [LONG], max_tokens_per_query=20, **CHUNK)
    cut = engines["cross-encoder"].score(query, [LONG], truncate_prompt_tokens=-1, **CHUNK)
    texts = [chunk.text for chunk in cut.chunks[0].chunks]
    alone = engines["cross-encoder"].score(query, texts, truncate_prompt_tokens=-1)
    np.testing.assert_allclose([chunk.score for chunk in cut.chunks[0].chunks], alone.scores, atol=1e-5)


@pytest.mark.parametrize("kind", ["cross-encoder", "template", "bi-encoder", "late interaction"])
def test_too_small_a_bound_is_named_and_not_the_query(engines, kind):
    for few in (8, 9):
        with pytest.raises(InvalidInput, match=r"^truncate_prompt_tokens must be") as raised:
            engines[kind].score("Paris?", [LONG], truncate_prompt_tokens=few, **CHUNK)
        assert "query" not in str(raised.value)
    least = int(re.search(r"at least (\d+)", str(raised.value))[1])
    assert engines[kind].score("a", [LONG], truncate_prompt_tokens=least + 8, **CHUNK).chunks[0].chunks


def test_an_instruction_that_leaves_no_room_is_named(engines):
    instruction = "Find the capital. " * 400
    with pytest.raises(InvalidInput, match=r"tokens without its texts, .* shorten the instruction"):
        engines["template"].score("Paris?", [LONG], instruction=instruction, **CHUNK)
    with pytest.raises(InvalidInput, match=r"tokens without its texts, .* shorten the instruction"):
        engines["template"].score("Paris?", [LONG], instruction=instruction, truncate_prompt_tokens=-1)


def test_a_templates_long_query_is_cut_to_half_of_the_room(engines):
    query = "What is the capital of France? " * 100
    cut = engines["template"].score(query, [LONG], truncate_prompt_tokens=-1, **CHUNK)
    assert len(cut.chunks[0].chunks) > 1
    assert not cut.chunks[0].truncated


@pytest.fixture(scope="module")
def seeing(multimodal):
    return Engine.load(multimodal("jina-m0", "--prompts", "vllm")[1], threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("query", [FIRST, [FIRST, Text("What is it?")]], ids=["picture", "picture and text"])
def test_a_pictures_chunks_score_as_they_do_by_themselves(seeing, query):
    short = {"truncate_prompt_tokens": 160}
    scored = seeing.score(query, [LONG, SECOND, [SECOND, Text("a slope")]], **CHUNK, **short)
    long, *pictures = ([chunk.text for chunk in own.chunks] for own in scored.chunks)
    assert len(long) > 2
    assert pictures == [[""], ["a slope"]]
    alone = seeing.score(query, [*long, SECOND, [SECOND, Text("a slope")]], **short).scores
    np.testing.assert_allclose([chunk.score for own in scored.chunks for chunk in own.chunks], alone, atol=1e-5)
    assert scored.scores[0] == max(chunk.score for chunk in scored.chunks[0].chunks)


@pytest.mark.slow
def test_pictures_with_too_long_a_text_are_refused_as_such(seeing):
    endless = [SECOND, Text("word " * seeing.manifest.max_length)]
    with pytest.raises(InvalidInput, match=r"A document with pictures has .* and only texts are split into chunks"):
        seeing.score(QUERY, [SHORT[0], endless], **CHUNK)
    with pytest.raises(InvalidInput, match="The query leaves room for 0 tokens of a long document"):
        seeing.score(endless, [SHORT[0], LONG], **CHUNK)
    cut, short = seeing.score(QUERY, [endless, SHORT[0]], truncate_prompt_tokens=160, **CHUNK).chunks
    assert [len(cut.chunks), len(short.chunks)] == [1, 1]
