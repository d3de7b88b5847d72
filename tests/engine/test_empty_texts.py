"""A text of no tokens is refused by a sentence where nothing is put around texts, and costs its neighbours nothing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, InvalidInput
from tests.e2e.conftest import _variant
from tests.e2e.server import Server

# What has no tokens for this tokenizer.
EMPTY = ["", " ", "\n\t", "\u200b", "\x00"]


def bare_pairs(manifest: dict[str, Any]) -> None:
    """As of a decoder that nothing is put around."""
    manifest["pair"] |= {"prefix": [], "middle": [], "suffix": []}


def bare_texts(manifest: dict[str, Any]) -> None:
    for role in ("query", "document"):
        manifest[role] |= {"prefix": [], "suffix": []}


def bare_tokens(manifest: dict[str, Any]) -> None:
    bare_texts(manifest)


@pytest.fixture(scope="module")
def bare(contract_artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bare")
    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "minilm-ce": bare_pairs,
        "minilm-bi": bare_texts,
        "minilm-colbert": bare_tokens,
    }
    return {change.__name__: _variant(contract_artifacts[name], folder, change) for name, change in changes.items()}


@pytest.fixture(scope="module")
def engines(bare: dict[str, Path]) -> Iterator[dict[str, Engine]]:
    opened = {name: Engine.load(folder, threads=1) for name, folder in bare.items()}
    yield opened
    for engine in opened.values():
        engine.close()


@pytest.mark.parametrize("empty", EMPTY, ids=ascii)
def test_every_call_says_so(engines: dict[str, Engine], empty: str) -> None:
    pairs, texts, tokens = engines.values()
    calls: list[Callable[[], Any]] = [
        lambda: pairs.score(empty, [empty, empty]),
        lambda: pairs.classify(["a", empty]),
        lambda: texts.embed(["a", empty]),
        lambda: texts.embed(["a", empty], role="query", truncate_prompt_tokens=-1),
        lambda: texts.score(empty, ["b"]),
        lambda: texts.rerank("a", [empty, "b"]),
        lambda: texts.embed_query(empty),
        lambda: tokens.embed_tokens([empty]),
        lambda: tokens.score("a", ["b", empty], truncation_side="left", truncate_prompt_tokens=5),
        lambda: tokens.compare_tokens("a", empty),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match=r"^An empty text has no tokens that this model could read: send one"):
            call()


def test_a_pair_with_one_empty_text_has_a_score(engines: dict[str, Engine]) -> None:
    scores = engines["bare_pairs"].score("a", ["", "b"]).scores
    assert scores[0] != scores[1]
    assert scores[1] == pytest.approx(engines["bare_pairs"].score("a", ["b"]).scores[0], abs=1e-5)


def test_where_something_is_put_around_it_is_scored(contract_artifacts: dict[str, Path]) -> None:
    for folder in contract_artifacts.values():
        engine = Engine.load(folder, threads=1)
        assert engine.score("", ["", "b"]).scores.shape == (2,)
        engine.close()


def test_over_http_neighbours_are_unharmed(bare: dict[str, Path]) -> None:
    with Server("--model", *bare.values(), "--threads", "1") as server:
        refused = [
            ("/rerank", {"model": "bare_texts", "query": "a", "documents": ["", "b"]}),
            ("/score", {"model": "bare_pairs", "queries": "", "documents": ["", "b"]}),
            ("/score", {"model": "bare_tokens", "queries": "a", "documents": ["", "b"]}),
            ("/v1/embeddings", {"model": "bare_texts", "input": ["a", ""]}),
            ("/classify", {"model": "bare_pairs", "input": ["", "a"]}),
            ("/pooling", {"model": "bare_tokens", "input": [""]}),
        ]
        good = ("/rerank", {"model": "bare_texts", "query": "a", "documents": ["c", "b"]})
        with ThreadPoolExecutor(8) as executor:
            asked = [*refused, good] * 4
            answers = list(executor.map(lambda one: server.client.post(one[0], json=one[1]), asked))
        for (path, body), answer in zip(asked, answers, strict=True):
            if (path, body) == good:
                assert answer.status_code == 200
            else:
                assert answer.status_code == 400, (path, answer.text)
                assert answer.json()["error"]["message"].startswith("An empty text has no tokens")
        assert server.stderr() == ""
