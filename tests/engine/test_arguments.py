"""Keyword arguments are told once, so a name that no call knows must still be an error and not be passed over."""

import pytest

from engine import Engine, Index, QueueFull
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
