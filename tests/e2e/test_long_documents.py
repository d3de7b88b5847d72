"""Documents longer than a model takes over HTTP: what becomes of them, by request, by setting and by API."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cohere
import pytest
from cohere.core import RequestOptions

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


@dataclass
class Api:
    """How an API takes documents, and where it answers what."""

    name: str
    path: str
    documents: str
    results: str | None
    headers: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=lambda: {"query": QUERY})

    def ask(self, server: Server, documents: list[str], **more: Any) -> list[dict[str, Any]]:
        """Results in the order of the documents."""
        answer = ask(server, self.path, self._body(documents, more), **self.headers)
        return sorted(answer if self.results is None else answer[self.results], key=lambda result: result["index"])

    def refuses(self, server: Server, documents: list[str], **more: Any) -> str:
        return refused(server, self.path, self._body(documents, more), **self.headers)

    def _body(self, documents: list[str], more: dict[str, Any]) -> dict[str, Any]:
        items = [{"text": text} for text in documents] if self.documents == "passages" else documents
        return {**self.beside, self.documents: items, **more}


COHERE = {"X-Fern-SDK-Name": "cohere"}
PINECONE = {"X-Pinecone-API-Version": "2025-10"}
VLLM_SCORE = Api("vLLM", "/score", "documents", "data", beside={"queries": QUERY})
TEI = Api("TEI", "/rerank", "texts", None)
APIS = [
    Api("vLLM", "/rerank", "documents", "results"),
    Api("Jina", "/v2/rerank", "documents", "results"),
    VLLM_SCORE,
    Api("Cohere", "/v1/rerank", "documents", "results", COHERE),
    Api("Cohere", "/v2/rerank", "documents", "results", COHERE),
    TEI,
    Api("NVIDIA", "/v1/ranking", "passages", "rankings", beside={"query": {"text": QUERY}}),
    Api("Voyage", "/v1/rerank", "documents", "data", beside={"query": QUERY, "top_k": None}),
    Api("Pinecone", "/rerank", "documents", "data", PINECONE),
    Api("Mixedbread", "/v1/reranking", "input", "data"),
    Api("infinity", "/infinity/rerank", "documents", "results"),
    Api("infinity", "/rerank", "documents", "results", beside={"query": QUERY, "raw_scores": True}),
    Api("llama.cpp", "/reranking", "documents", "results"),
    Api("llama.cpp", "/reranking", "texts", None),
    Api("SageMaker", "/invocations", "documents", "results"),
    Api("SageMaker", "/invocations", "documents", "data", beside={"queries": QUERY}),
    Api("TEI", "/invocations", "texts", None),
]
EVERY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: f"{api.name} {api.path} {api.documents}")


def score_of(result: dict[str, Any]) -> float:
    (name,) = {"relevance_score", "score", "logit"} & result.keys()
    score: float = result[name]
    return score


@EVERY_API
def test_every_api_scores_and_tells_chunks(server: Server, api: Api) -> None:
    _scores_and_tells_chunks(server, api, "minilm-ce")


@pytest.mark.parametrize("model", MODELS[1:])
@pytest.mark.parametrize("api", [VLLM_SCORE, TEI], ids=lambda api: api.name)
def test_embedders_chunks_are_told_too(server: Server, api: Api, model: str) -> None:
    _scores_and_tells_chunks(server, api, model)


def _scores_and_tells_chunks(server: Server, api: Api, model: str) -> None:
    short, long = api.ask(server, [SHORT, LONG], model=model, long_documents="chunk", return_chunks=True)
    assert [(chunk["start"], chunk["end"], chunk["text"]) for chunk in short["chunks"]] == [(0, len(SHORT), SHORT)]
    assert len(long["chunks"]) > 1
    assert not long["truncated"]
    best = max(chunk["score"] for chunk in long["chunks"])
    assert score_of(long) == pytest.approx(best, abs=1e-6) or (model == "minilm-colbert" and score_of(long) > best)
    for chunk in long["chunks"]:
        assert chunk["text"] == LONG[chunk["start"] : chunk["end"]]
    alone = api.ask(server, [chunk["text"] for chunk in long["chunks"]], model=model)
    assert [score_of(own) for own in alone] == pytest.approx([own["score"] for own in long["chunks"]], abs=1e-4)


@EVERY_API
def test_what_a_request_says_wins_over_the_setting(server: Server, chunking: Server, api: Api) -> None:
    (cut,) = api.ask(server, [LONG], long_documents="truncate")
    (cut_here,) = api.ask(chunking, [LONG], long_documents="truncate")
    assert score_of(cut_here) == pytest.approx(score_of(cut), abs=1e-5)
    api.refuses(chunking, [LONG], long_documents="refuse")
    (set_to_two,) = api.ask(chunking, [LONG], long_documents="chunk", return_chunks=True)
    assert len(set_to_two["chunks"]) == 2
    assert set_to_two["chunks"][1]["start"] < set_to_two["chunks"][0]["end"]
    (silent,) = api.ask(chunking, [LONG])
    assert score_of(silent) == pytest.approx(score_of(set_to_two), abs=1e-5) != pytest.approx(score_of(cut), abs=1e-5)
    (one,) = api.ask(chunking, [LONG], return_chunks=True, max_chunks_per_doc=1)
    assert one["truncated"] is True


@pytest.mark.parametrize(
    ("path", "body", "score"),
    [
        ("/predict", {"inputs": [QUERY, LONG]}, lambda answer: answer[0]["score"]),
        ("/invocations", {"inputs": [QUERY, LONG]}, lambda answer: answer[0]["score"]),
        ("/v1/inference/minilm-ce", {"query": QUERY, "documents": [LONG]}, lambda answer: answer["scores"][0]),
        ("/rerank", {"query": QUERY, "documents": [LONG], "property": ""}, lambda answer: answer["scores"][0]["score"]),
        ("/rerank", {"query": QUERY, "property": LONG}, lambda answer: answer["score"]),
    ],
    ids=["TEI", "TEI where SageMaker asks", "DeepInfra", "Weaviate", "Weaviate, one"],
)
def test_the_setting_is_for_apis_without_the_fields_too(
    server: Server, chunking: Server, path: str, body: dict[str, Any], score: Callable[[Any], float]
) -> None:
    for where, way in ((server, "truncate"), (chunking, "chunk")):
        (want,) = VLLM_SCORE.ask(where, [LONG], long_documents=way)
        assert score(ask(where, path, body)) == pytest.approx(want["score"], abs=1e-5)


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
    want = ask(server, "/v1/rerank", long | {"top_k": 1})["data"][0]["relevance_score"]
    got = ask(chunking, "/v1/rerank", long | {"top_k": 1, "truncation": True})["data"][0]["relevance_score"]
    assert got == pytest.approx(want, abs=1e-5)
    refused(chunking, "/v1/rerank", long | {"top_k": 1, "truncation": False})
    refused(chunking, "/rerank", long | {"parameters": {"truncate": "NONE"}}, **PINECONE)
    refused(chunking, "/predict", {"inputs": [QUERY, LONG], "truncate": False})


def test_coheres_own_field_asks_for_chunks_of_the_tokens_that_are_kept(server: Server) -> None:
    body = {"query": QUERY, "documents": [LONG], "model": "minilm-ce", "max_chunks_per_doc": 5, "return_chunks": True}
    (whole,) = ask(server, "/v1/rerank", body)["results"]
    assert not whole["truncated"]
    (same,) = ask(server, "/v1/rerank", body | {"max_tokens_per_doc": 4096})["results"]
    assert same == whole
    (kept,) = ask(server, "/v1/rerank", body | {"max_tokens_per_doc": 520})["results"]
    assert kept["truncated"]
    assert len(kept["chunks"]) == 2


def test_coheres_own_client_asks_for_chunks(server: Server) -> None:
    model, documents = "minilm-ce", [SHORT, LONG]
    own: RequestOptions = {
        "additional_body_parameters": {"long_documents": "chunk", "max_chunks_per_doc": 3, "return_chunks": True}
    }
    v1 = cohere.Client("unused", base_url=server.url).rerank(
        model=model, query=QUERY, documents=documents, max_chunks_per_doc=3
    )
    v2 = cohere.ClientV2("unused", base_url=server.url).rerank(
        model=model, query=QUERY, documents=documents, request_options=own
    )
    want = VLLM_SCORE.ask(server, documents, model=model, long_documents="chunk", max_chunks_per_doc=3)
    (cut,) = VLLM_SCORE.ask(server, [LONG], model=model, long_documents="truncate")
    assert abs(want[1]["score"] - cut["score"]) > 1e-4
    for results in ([*map(dict, v1.results)], [*map(dict, v2.results)]):
        by_index = sorted(results, key=lambda result: result["index"])
        assert [score_of(result) for result in by_index] == pytest.approx([own["score"] for own in want], abs=1e-5)
    (long,) = [result.model_dump() for result in v2.results if result.index == 1]
    assert max(chunk["score"] for chunk in long["chunks"]) == pytest.approx(want[1]["score"], abs=1e-5)


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
