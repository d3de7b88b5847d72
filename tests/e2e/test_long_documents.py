"""Documents longer than a model takes over HTTP: what becomes of them, by request, by setting and by API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "What is the capital of France?"
FILLER = "Cows eat grass in the meadow, and the farmer mends his fence. It rained — a lot! — on Sunday…\n"
LONG = f"{FILLER * 22}The capital of France is Paris 🗼. {FILLER * 3}"
SHORT = "Horses and cows."
MODELS = ["minilm-ce", "minilm-bi", "minilm-colbert"]


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    with Server("--model", *(contract_artifacts[name] for name in MODELS), "--max-documents", "12") as server:
        yield server


@pytest.fixture(scope="module")
def chunking(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    """A server that is set to score chunks."""
    flags = ("--long-documents", "chunk", "--max-chunks-per-doc", "2", "--chunk-overlap", "20")
    with Server("--model", *(contract_artifacts[name] for name in MODELS[:2]), *flags) as server:
        yield server


def ask(server: Server, path: str, body: dict[str, Any], **headers: str) -> Any:
    response = server.client.post(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def refused(server: Server, path: str, body: dict[str, Any], **headers: str) -> str:
    """The sentence; which status says that a text is too long depends on the API."""
    response = server.client.post(path, json=body, headers=headers)
    assert response.status_code in (400, 413, 422), response.text
    message: str = response.json()["message"]
    return message


COHERE = {"X-Fern-SDK-Name": "cohere"}
# How each API takes documents, and where it answers what.
APIS: list[tuple[str, dict[str, str], str, Any]] = [
    ("/rerank", {}, "documents", lambda answer: answer["results"]),
    ("/v2/rerank", {}, "documents", lambda answer: answer["results"]),
    ("/score", {}, "documents", lambda answer: answer["data"]),
    ("/v1/rerank", COHERE, "documents", lambda answer: answer["results"]),
    ("/v2/rerank", COHERE, "documents", lambda answer: answer["results"]),
    ("/rerank", {}, "texts", lambda answer: answer),
    ("/v1/ranking", {}, "passages", lambda answer: answer["rankings"]),
]
EVERY_API = pytest.mark.parametrize(
    ("path", "headers", "field", "results"),
    APIS,
    ids=[f"{path} {field} {len(headers)}" for path, headers, field, _ in APIS],
)


def body_of(path: str, field: str, documents: list[str], **more: Any) -> dict[str, Any]:
    if field == "passages":
        return {"query": {"text": QUERY}, field: [{"text": text} for text in documents], **more}
    return {"queries" if path == "/score" else "query": QUERY, field: documents, **more}


def score_of(result: dict[str, Any]) -> float:
    (name,) = {"relevance_score", "score", "logit"} & result.keys()
    score: float = result[name]
    return score


@pytest.mark.parametrize("model", MODELS)
@EVERY_API
def test_every_api_scores_and_tells_chunks(
    server: Server, path: str, headers: dict[str, str], field: str, results: Any, model: str
) -> None:
    body = body_of(path, field, [SHORT, LONG], model=model, long_documents="chunk", return_chunks=True)
    found = results(ask(server, path, body, **headers))
    short, long = sorted(found, key=lambda result: result["index"])
    assert [(chunk["start"], chunk["end"], chunk["text"]) for chunk in short["chunks"]] == [(0, len(SHORT), SHORT)]
    assert len(long["chunks"]) > 1
    assert not long["truncated"]
    best = max(chunk["score"] for chunk in long["chunks"])
    assert score_of(long) == pytest.approx(best, abs=1e-6) or (model == "minilm-colbert" and score_of(long) > best)
    for chunk in long["chunks"]:
        assert chunk["text"] == LONG[chunk["start"] : chunk["end"]]
    alone = ask(server, path, body_of(path, field, [chunk["text"] for chunk in long["chunks"]], model=model), **headers)
    by_index = sorted(results(alone), key=lambda result: result["index"])
    assert [score_of(own) for own in by_index] == pytest.approx([own["score"] for own in long["chunks"]], abs=1e-4)


@EVERY_API
def test_what_a_request_says_wins_over_the_setting(
    server: Server, chunking: Server, path: str, headers: dict[str, str], field: str, results: Any
) -> None:
    def answered(where: Server, **more: Any) -> float:
        (result,) = results(ask(where, path, body_of(path, field, [LONG], **more), **headers))
        return score_of(result)

    cut = answered(server, long_documents="truncate")
    assert answered(chunking, long_documents="truncate") == pytest.approx(cut, abs=1e-5)
    refused(chunking, path, body_of(path, field, [LONG], long_documents="refuse"), **headers)
    body = body_of(path, field, [LONG], long_documents="chunk", return_chunks=True)
    (set_to_two,) = results(ask(chunking, path, body, **headers))
    assert len(set_to_two["chunks"]) == 2
    assert set_to_two["chunks"][1]["start"] < set_to_two["chunks"][0]["end"]
    assert answered(chunking) == pytest.approx(score_of(set_to_two), abs=1e-5)
    one = ask(chunking, path, body | {"max_chunks_per_doc": 1}, **headers)
    assert results(one)[0]["truncated"] is True


def test_a_requests_own_words_of_cutting_win_over_the_setting(server: Server, chunking: Server) -> None:
    long = {"query": QUERY, "documents": [LONG]}
    for more in ({"truncate_prompt_tokens": -1}, {"truncate_prompt_tokens": 100, "truncation_side": "left"}):
        want = ask(server, "/rerank", long | more)["results"][0]["relevance_score"]
        assert ask(chunking, "/rerank", long | more)["results"][0]["relevance_score"] == pytest.approx(want, abs=1e-5)
    refused(chunking, "/rerank", {"query": QUERY, "texts": [LONG], "truncate": False})
    want = ask(server, "/rerank", {"query": QUERY, "texts": [LONG], "truncate": True})[0]["score"]
    got = ask(chunking, "/rerank", {"query": QUERY, "texts": [LONG], "truncate": True})[0]["score"]
    assert got == pytest.approx(want, abs=1e-5)
    passages = {"query": {"text": QUERY}, "passages": [{"text": LONG}]}
    refused(chunking, "/v1/ranking", passages | {"truncate": "NONE"})
    ask(chunking, "/v1/ranking", passages)


def test_coheres_own_field_asks_for_chunks_of_the_tokens_that_are_kept(server: Server) -> None:
    body = {"query": QUERY, "documents": [LONG], "model": "minilm-ce", "max_chunks_per_doc": 5, "return_chunks": True}
    (whole,) = ask(server, "/v1/rerank", body)["results"]
    assert not whole["truncated"]
    (same,) = ask(server, "/v1/rerank", body | {"max_tokens_per_doc": 4096})["results"]
    assert same == whole
    (kept,) = ask(server, "/v1/rerank", body | {"max_tokens_per_doc": 520})["results"]
    assert kept["truncated"]
    assert len(kept["chunks"]) == 2


def test_chunks_count_in_limits_and_usage(server: Server) -> None:
    body = {"model": "minilm-ce", "query": QUERY, "long_documents": "chunk", "return_chunks": True}
    answer = ask(server, "/rerank", body | {"documents": [LONG]})
    texts = [chunk["text"] for chunk in answer["results"][0]["chunks"]]
    assert answer["usage"] == ask(server, "/rerank", body | {"documents": texts})["usage"]
    sentence = refused(server, "/rerank", body | {"documents": [LONG] * 11})
    assert "more than the 12 chunks that one request may have" in sentence


@pytest.mark.parametrize(
    ("path", "more", "sentence"),
    [
        ("/rerank", {"documents": [SHORT], "return_chunks": True}, "return_chunks is for chunks"),
        ("/rerank", {"documents": [SHORT], "chunk_overlap": 3}, "chunk_overlap is for chunks"),
        (
            "/rerank",
            {"documents": [SHORT], "long_documents": "split"},
            "long_documents must be 'refuse', 'truncate' or",
        ),
        (
            "/rerank",
            {"documents": [SHORT], "long_documents": "refuse", "truncate_prompt_tokens": -1},
            'truncate_prompt_tokens and long_documents "refuse" contradict each other',
        ),
        (
            "/rerank",
            {"documents": [SHORT], "long_documents": "chunk", "truncation_side": "left"},
            "truncation_side 'left' and long_documents 'chunk' contradict each other",
        ),
        (
            "/rerank",
            {"texts": [SHORT], "long_documents": "truncate", "truncate": False},
            'truncate and long_documents "truncate" contradict each other',
        ),
        ("/rerank", {"documents": [SHORT], "long_documents": "truncate", "max_chunks_per_doc": 2}, "is for chunks"),
    ],
)
def test_contradictions_are_refused_by_name(server: Server, path: str, more: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(server, path, {"query": QUERY, **more})
