"""Keyword arguments are told once, so a name that no call knows must still be an error and not be passed over."""

import numpy as np
import pytest

from engine import Engine, Index, InvalidInput, QueueFull
from engine.index.build import build_index

CALLS = {
    "score": ("q", "d"),
    "rerank": ("q", ["d"]),
    "embed_query": ("q",),
    "embed": ("d",),
    "embed_tokens": ("d",),
    "compare_tokens": ("q", "d"),
    "classify": ("d",),
}
OWN = {
    "minilm-ce": ["score", "rerank", "classify"],
    "minilm-bi": ["score", "rerank", "embed", "embed_query"],
    "minilm-colbert": ["score", "rerank", "embed_tokens", "embed_query", "compare_tokens"],
}


@pytest.mark.parametrize("name", OWN)
def test_an_unknown_argument_is_an_error_of_every_call(artifacts, name):
    engine = Engine.load(artifacts(name))
    for call in OWN[name]:
        getattr(engine, call)(*CALLS[call], truncate_prompt_tokens=-1, truncation_side="left")
        with pytest.raises(TypeError, match="unexpected keyword argument 'truncate': this call takes"):
            getattr(engine, call)(*CALLS[call], truncate=True)
    engine.close()


def test_the_sentence_names_what_the_call_takes_itself(artifacts):
    engine = Engine.load(artifacts("minilm-bi"))
    with pytest.raises(TypeError, match=r"'topn': this call takes .*top_n, truncat"):
        engine.rerank("q", ["d"], topn=1)
    with pytest.raises(TypeError, match="'rol': this call takes dimensions, instruction, job, role, truncat"):
        engine.embed("d", rol="query")
    engine.close()


NUMBERS = {
    "score": ["truncate_prompt_tokens", "max_tokens_per_query", "max_tokens_per_doc"],
    "rerank": ["truncate_prompt_tokens", "max_tokens_per_query", "max_tokens_per_doc", "top_n"],
    "embed": ["truncate_prompt_tokens"],
    "embed_query": ["truncate_prompt_tokens", "max_tokens_per_query"],
    "classify": ["truncate_prompt_tokens"],
}


@pytest.mark.parametrize("name", ["minilm-ce", "minilm-bi"])
def test_numbers_are_whole(artifacts, name):
    engine = Engine.load(artifacts(name))
    for call, number in [(own, number) for own in OWN[name] for number in NUMBERS[own]]:
        for value in ("5", 5.0, True):
            with pytest.raises(
                InvalidInput, match=f"^{number} must be a whole number or None, not {value!r}"
            ) as raised:
                getattr(engine, call)(*CALLS[call], **{number: value})
            assert raised.value.parameter == number
        getattr(engine, call)(*CALLS[call], **{number: np.int64(5)})
    engine.close()


@pytest.mark.parametrize(("name", "call"), [("minilm-bi", "embed"), ("minilm-colbert", "embed_tokens")])
def test_a_role_is_one_of_the_two(artifacts, name, call):
    engine = Engine.load(artifacts(name))
    for role in ("Query", "passage", ""):
        with pytest.raises(InvalidInput, match=f"^The role is 'query' or 'document', not '{role}'"):
            getattr(engine, call)("d", role=role)
    engine.close()


def test_a_store_is_one_there_is(artifacts):
    with pytest.raises(InvalidInput, match=r"^The store is float32, float16 or int8, not 'int4'\."):
        Engine.load(artifacts("minilm-bi"), embedding_cache_store="int4")


@pytest.mark.parametrize("name", OWN)
def test_every_way_in_is_refused_by_a_full_queue_before_it_tokenises(artifacts, name, monkeypatch, tmp_path):
    engine = Engine.load(artifacts(name))
    calls = [lambda call=call: getattr(engine, call)(*CALLS[call]) for call in OWN[name]]
    if not engine.manifest.scoring.reads_pairs:
        (tmp_path / "documents.jsonl").write_text('{"id": "a", "text": "Paris"}\n')
        build_index(engine, tmp_path / "documents.jsonl", tmp_path / "index")
        calls.append(lambda: Index(tmp_path / "index", engine).rerank("q", ["a"]))

    def full(cost=1):
        raise QueueFull(7)

    def tokenised(texts):
        raise AssertionError("it was tokenised first")

    monkeypatch.setattr(engine._opened.workers.scheduler, "admit", full)
    monkeypatch.setattr(engine._tokenizer, "encode", tokenised)
    for call in calls:
        with pytest.raises(QueueFull):
            call()
    engine.close()
