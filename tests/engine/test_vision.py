"""Pictures go through the vision graph once, some at a time, and are never taken for one another."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine.vision
from engine import Engine, Image, InvalidInput, Job, Text
from engine.runtime.workers import Batch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reranker(multimodal: Callable[..., tuple[Path, Path]]) -> Iterator[Engine]:
    engine = Engine.load(multimodal("jina-m0")[1])
    yield engine
    engine.close()


@pytest.fixture
def fresh(multimodal: Callable[..., tuple[Path, Path]]) -> Iterator[Engine]:
    engine = Engine.load(multimodal("jina-m0")[1])
    yield engine
    engine.close()


def noise(seed: int, height: int = 60, width: int = 90) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def seen(engine: Engine) -> list[Batch]:
    """The runs of the vision graph from now on."""
    batches: list[Batch] = []
    assert engine._vision is not None
    engine._vision._opened.workers.on_batch = batches.append
    return batches


def test_a_page_is_seen_once_for_many_queries(fresh: Engine) -> None:
    runs = seen(fresh)
    page = noise(1)
    scores = fresh.score(["one", "two", "three"], [page] * 3).scores
    assert len(runs) == 1
    assert len(set(scores.tolist())) == 3
    assert fresh.score("two", [page]).scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert len(runs) == 1
    assert fresh.cache is not None
    assert (fresh.cache.entries, fresh.cache.hits, fresh.cache.misses) == (1, 1, 1)


def test_without_a_cache_it_is_seen_once_a_call(multimodal: Callable[..., tuple[Path, Path]]) -> None:
    engine = Engine.load(multimodal("jina-m0")[1], embedding_cache_bytes=0)
    runs = seen(engine)
    for _ in range(2):
        engine.score(["one", "two"], [noise(1)] * 2)
    assert len(runs) == 2
    engine.close()


def test_equal_placeholders_of_other_pixels_are_other_inputs(reranker: Engine) -> None:
    first, second = noise(2), noise(3)
    together = reranker.score("a query", [first, second, [second, first], [first, second]]).scores
    alone = [
        float(reranker.score("a query", [[first]]).scores[0]),
        float(reranker.score("a query", [[second]]).scores[0]),
    ]
    np.testing.assert_allclose(together[:2], alone, atol=1e-5)
    assert len({round(float(score), 6) for score in together}) == 4


def test_many_pictures_go_some_at_a_time(reranker: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    documents: list[Any] = [noise(4), "text", [noise(5), Text("both")], noise(4), [noise(6), noise(7)], "more"]
    want = reranker.score("a query", documents).scores
    monkeypatch.setattr(engine.vision, "_NUMBERS_AT_A_TIME", 1)
    assert reranker._vision is not None
    inputs = reranker._builder.pairs(*_read("a query", documents), *_plain(reranker))
    assert [len(some) for some in reranker._vision._shares(inputs)] == [2, 1, 1, 2]
    np.testing.assert_allclose(reranker.score("a query", documents).scores, want, atol=1e-5)


def test_what_a_job_counts_has_the_placeholders(reranker: Engine) -> None:
    job = Job()
    scores = reranker.score("a query", [[noise(8, 56, 84), Text("text")], "text"], job=job)
    assert job.tokens == scores.tokens
    text = reranker.score("a query", ["text", "text"]).tokens
    # 4 x 6 patches are 2 x 3 tokens between two marks.
    assert scores.tokens == text + 6 + 2
    with pytest.raises(InvalidInput, match="tokens, more than the 5 that one may have"):
        reranker.score("a query", [noise(8)], job=Job(max_tokens=5))


def test_a_picture_too_thin_is_one_sentence(reranker: Engine) -> None:
    with pytest.raises(InvalidInput, match="one side may be at most 200 times the other"):
        reranker.score("a query", [noise(9, 2, 500)])


def _read(query: str, documents: list[Any]) -> tuple[list[Any], list[Any]]:
    from engine.inputs import aligned

    queries, read = aligned(query, documents)
    return list(queries) * len(read), list(read)


def _plain(engine: Engine) -> tuple[Any, Any]:
    from engine.prompts.template import Prompting
    from engine.text.truncation import Truncation

    return Truncation(engine.manifest.max_length), Prompting()


def test_a_query_whose_prompt_has_no_place_for_a_picture_is_text(multimodal: Callable[..., tuple[Path, Path]]) -> None:
    engine = Engine.load(multimodal("nemotron-rerank-vl")[1])
    assert engine.score("a query", [noise(1), [noise(1), Text("both")]]).scores.shape == (2,)
    with pytest.raises(InvalidInput, match="no place for a picture there: send pictures as the documents"):
        engine.score(noise(1), ["a passage"])
    engine.close()
