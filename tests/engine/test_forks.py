"""A process that is forked off one with engines can use them, whatever went on there, and does it no harm."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, Job, ProviderError
from engine.index.build import build_index

QUERY, DOCUMENTS = "the river", ["the river Aare", "a town", "boats"]
# What a child may take on a busy machine; one that waits for threads it does not have takes for ever.
SECONDS = 60


@pytest.fixture(scope="module")
def engines(contract_artifacts: dict[str, Path]) -> Iterator[dict[str, Engine]]:
    opened = {name: Engine.load(folder, threads=2) for name, folder in contract_artifacts.items()}
    yield opened
    for engine in opened.values():
        engine.close()


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` gives in a forked process, which ends as processes do."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except Exception as error:
            answers.put(repr(error))

    child = context.Process(target=run)
    child.start()
    child.join(SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        pytest.fail("the child waits for ever")
    assert child.exitcode == 0
    return answers.get()


def everything(engines: dict[str, Engine]) -> list[Any]:
    """Each call of each model, rounded."""
    found: list[Any] = []
    for name, engine in engines.items():
        found += [engine.score(QUERY, DOCUMENTS).scores.round(4).tolist()]
        found += [[item.index for item in engine.rerank(QUERY, DOCUMENTS).results]]
        found += [[token.id for token in engine.tokenize(QUERY)], engine.detokenize([2314])]
        if name == "minilm-ce":
            found += [engine.classify(DOCUMENTS).scores.round(4).tolist()]
        elif name == "minilm-bi":
            found += [engine.embed(DOCUMENTS).embeddings.round(4).tolist()]
        else:
            found += [engine.embed_tokens(DOCUMENTS).embeddings[0].round(4).tolist()]
    return found


def test_a_child_computes_what_its_parent_does(engines: dict[str, Engine]) -> None:
    mine = everything(engines)
    assert in_child(lambda: everything(engines)) == mine
    assert everything(engines) == mine
    assert in_child(lambda: in_child(lambda: everything(engines)) == mine) is True


def test_while_threads_are_at_work(engines: dict[str, Engine]) -> None:
    bi = engines["minilm-bi"]
    mine = bi.embed(DOCUMENTS).embeddings.round(4).tolist()
    stop = threading.Event()
    fed: list[int] = []

    def feed(number: int) -> None:
        while not stop.is_set():
            texts = [f"{number} {time.monotonic()} {place}" for place in range(20)]
            fed.append(len(bi.score(QUERY, texts).scores))
            bi.tokenize("word " * 30_000)

    threads = [threading.Thread(target=feed, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            assert in_child(lambda: bi.embed(DOCUMENTS).embeddings.round(4).tolist()) == mine
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(fed) == {20}


def test_a_child_with_an_engine_it_does_not_use_ends(engines: dict[str, Engine]) -> None:
    child = os.fork()
    if child == 0:
        for engine in engines.values():
            engine.close()
        os._exit(7)
    until = time.monotonic() + SECONDS
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(ended[1]) == 7
    assert engines["minilm-ce"].score(QUERY, DOCUMENTS).scores.shape == (3,)


def test_a_pool_of_forks(engines: dict[str, Engine]) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map_async(_score, [engines["minilm-bi"].manifest.name] * 4, chunksize=1)
        assert results.get(SECONDS) == [3] * 4


def _score(_: str) -> int:
    engine = _SHARED[0]
    return len(engine.score(QUERY, DOCUMENTS, job=Job(timeout=SECONDS)).scores)


_SHARED: list[Engine] = []


@pytest.fixture(autouse=True)
def _share(engines: dict[str, Engine]) -> Iterator[None]:
    _SHARED[:] = [engines["minilm-bi"]]
    yield
    _SHARED.clear()


def test_an_index_is_built_in_a_child(engines: dict[str, Engine], tmp_path: Path) -> None:
    (tmp_path / "documents.jsonl").write_text('{"id": "a", "text": "river"}\n{"id": "b", "text": "town"}\n')
    made = in_child(
        lambda: build_index(engines["minilm-bi"], tmp_path / "documents.jsonl", tmp_path / "index").documents
    )
    assert made == 2


def test_an_engine_of_parts_says_so(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """As one on a GPU does, whose memory no child has."""
    monkeypatch.setattr(engines["minilm-bi"], "_opener", None)
    assert "before this process was forked" in in_child(lambda: engines["minilm-bi"].score(QUERY, DOCUMENTS).scores)
    assert ProviderError.__name__ in in_child(lambda: engines["minilm-bi"].waiting)
