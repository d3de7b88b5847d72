"""Embeddings that are remembered: the same as those that are computed, within bounds, and none where it is off."""

import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Engine, InvalidInput, Job
from engine.text.layout import Input
from engine.vectors.cache import EmbeddingCache, key_of
from engine.vectors.stored import Stored

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "Paris is the capital of France.", "Horses and cows"]
KINDS = ["minilm-bi", "minilm-colbert"]


@pytest.fixture(scope="module", params=KINDS)
def artifact(request: pytest.FixtureRequest, artifacts: Any) -> Path:
    folder: Path = artifacts(request.param)
    return folder


def runs(engine: Engine) -> list[int]:
    """The sizes of all runs of the graph from now on."""
    sizes: list[int] = []
    engine.on_batch(lambda batch: sizes.append(batch.sequences))
    return sizes


def until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_comes_again_is_not_computed_again_and_scores_the_same(artifact: Path) -> None:
    engine = Engine.load(artifact)
    ran = runs(engine)
    first, again = engine.score(QUERY, DOCUMENTS), engine.score(QUERY, DOCUMENTS)
    np.testing.assert_array_equal(again.scores, first.scores)
    assert again.tokens == first.tokens
    until(lambda: sum(ran) == 4)
    assert engine.cache is not None
    assert (engine.cache.hits, engine.cache.misses, engine.cache.entries) == (4, 4, 4)
    if engine.manifest.score_type == "bi-encoder":
        engine.embed([*DOCUMENTS, "new", "new"])
    else:
        engine.embed_tokens([*DOCUMENTS, "new", "new"])
    until(lambda: sum(ran) == 5)
    assert (engine.cache.hits, engine.cache.entries) == (7, 5)
    engine.close()
    fresh = Engine.load(artifact, embedding_cache_bytes=0)
    np.testing.assert_array_equal(fresh.score(QUERY, DOCUMENTS).scores, first.scores)
    fresh.close()


def test_off_everything_is_computed(artifact: Path) -> None:
    engine = Engine.load(artifact, embedding_cache_bytes=0)
    ran = runs(engine)
    for _ in range(2):
        engine.score(QUERY, DOCUMENTS)
    until(lambda: sum(ran) == 8)
    assert engine.cache is None
    engine.close()


def test_a_bound_on_tokens_counts_what_is_remembered(artifact: Path) -> None:
    engine = Engine.load(artifact)
    first = Job()
    engine.score(QUERY, DOCUMENTS, job=first)
    second = Job(max_tokens=first.tokens)
    engine.score(QUERY, DOCUMENTS, job=second)
    assert (second.tokens, second.sequences) == (first.tokens, first.sequences)
    assert second.started is None, "nothing ran"
    with pytest.raises(InvalidInput, match=f"has {first.tokens} tokens"):
        engine.score(QUERY, DOCUMENTS, job=Job(max_tokens=first.tokens - 1))
    engine.close()


@pytest.mark.parametrize("store", ["float16", "int8"])
def test_rounded_answers_are_the_same_the_first_time_and_again(artifacts: Any, store: Any) -> None:
    artifact = artifacts("minilm-colbert")
    engine, exact = Engine.load(artifact, embedding_cache_store=store), Engine.load(artifact)
    want = exact.score(QUERY, DOCUMENTS).scores
    first = engine.score(QUERY, DOCUMENTS).scores
    np.testing.assert_array_equal(engine.score(QUERY, DOCUMENTS).scores, first)
    assert 0 < np.abs(first / want - 1).max() < {"float16": 1e-3, "int8": 1e-2}[store]
    assert engine.cache is not None
    assert exact.cache is not None
    assert engine.cache.bytes < 0.6 * exact.cache.bytes
    engine.close()
    exact.close()


def test_nobody_can_change_what_is_remembered(artifacts: Any) -> None:
    engine = Engine.load(artifacts("minilm-colbert"))
    for _ in range(2):
        rows = engine.embed_tokens(QUERY).embeddings[0]
        assert 0 < np.abs(rows).max() <= 1
        rows[:] = 7
    engine.close()


def test_inputs_are_told_apart_by_all_that_the_graph_sees() -> None:
    def item(ids: list[int], types: list[int], attended: int = 2, adapter: int = 0) -> Input:
        return Input(np.array(ids, np.int64), np.array(types, np.int64), attended, adapter)

    inputs = [
        item([1, 2], [0, 0]),
        item([1, 2], [0, 1]),
        item([1, 2, 0], [0, 0, 0]),
        item([1, 2, 0], [0, 0, 0], attended=3),
        item([1, 2], [0, 0], adapter=1),
    ]
    assert len({key_of(one.identity, role) for one in inputs for role in ("query", "document")}) == 10
    assert key_of(inputs[0].identity, "query") == key_of(item([1, 2], [0, 0]).identity, "query")


# Keys with the numbers of their rows, and whether they are put or asked for.
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(1, 300)), max_size=60)


@given(STEPS, st.integers(1, 6000), st.sampled_from(["float32", "float16", "int8"]))
def test_the_oldest_goes_first_and_the_bound_holds(steps: Any, bound: int, store: Any) -> None:
    cache = EmbeddingCache(bound, store)
    sizes: OrderedDict[bytes, int] = OrderedDict()
    for is_put, number, length in steps:
        key = bytes([number])
        if is_put:
            sizes.pop(key, None)
            size = alone(length, store)
            if size <= bound:
                sizes[key] = size
            while sum(sizes.values()) > bound:
                sizes.popitem(last=False)
            cache.put(key, np.full(length, number, np.float32))
        else:
            found = cache.get([key])
            assert list(found) == ([key] if key in sizes else [])
            if found:
                sizes.move_to_end(key)
                np.testing.assert_allclose(found[key], number, rtol=1e-6)
        assert (cache.use.entries, cache.use.bytes) == (len(sizes), sum(sizes.values()))
        assert cache.use.bytes <= bound


def alone(length: int, store: Any) -> int:
    """The bytes of one entry, by a cache that has room for it."""
    cache = EmbeddingCache(10**6, store)
    cache.put(b"", np.ones(length, np.float32))
    assert cache.use.bytes > length * {"float32": 4, "float16": 2, "int8": 1}[store]
    return cache.use.bytes


def test_threads_share_it() -> None:
    bound = 20_000
    cache = EmbeddingCache(bound)
    wrong: list[object] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for number in random.integers(0, 60, 1500).tolist():
            key = bytes([number])
            row = cache.get([key]).get(key)
            row = cache.put(key, np.full(100, number, np.float32)) if row is None else row
            if (row != number).any() or cache.use.bytes > bound:
                wrong.append(row)

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    use = cache.use
    assert use.hits + use.misses == 6000
    assert use.bytes == use.entries * alone(100, "float32")


@given(st.lists(st.floats(-65_000, 65_000, width=32), min_size=1, max_size=20))
def test_stores_round_as_they_say(numbers: list[float]) -> None:
    exact = np.array([numbers, numbers[::-1]], np.float32)
    np.testing.assert_array_equal(Stored.of(exact, "float32").floats(), exact)
    half = Stored.of(exact, "float16").floats()
    assert (np.abs(half - exact) <= np.maximum(2.0**-11 * np.abs(exact), 2.0**-25)).all()
    byte = Stored.of(exact, "int8").floats()
    assert (np.abs(byte - exact) <= np.abs(exact).max() / 254 * (1 + 1e-5) + np.finfo(np.float32).tiny).all()
