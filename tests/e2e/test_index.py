"""Indexes made by the real command and reranked over HTTP, and the cache of the server that serves them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine import Engine
from engine.bulk.pages import read_pages
from tests.e2e.server import ROOT, Server
from tests.engine.bulk.pdfs import save_pictures
from tests.engine.images.pictures import picture

pytestmark = pytest.mark.slow

QUERY = "Which city is the capital of France?"
TEXTS = [f"City number {number} is {'not ' * (number % 4)}the capital of France" for number in range(12)]
IDS = [f"city-{number}" for number in range(12)]
# What scores may be off by: MaxSim sums 32 query tokens, each of which float16 rounds by 2^-11.
MODELS = {"minilm-bi": ("float32", 1e-6), "minilm-colbert": ("float16", 32 * 2**-11)}


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("indexes")
    documents = folder / "docs.jsonl"
    lines = [json.dumps({"id": name, "text": text}) for name, text in zip(IDS, TEXTS, strict=True)]
    documents.write_text("\n".join(lines))
    for model, (store, _) in MODELS.items():
        command = [sys.executable, "-m", "engine", "index", contract_artifacts[model], documents]
        options = ["--output", folder / model, "--store", store, "--threads", "1"]
        subprocess.run([*command, *options], cwd=ROOT, env=os.environ, check=True, capture_output=True)
    with Server(
        *("--model", contract_artifacts["minilm-ce"], *(contract_artifacts[model] for model in MODELS)),
        *("--index", *(folder / model for model in MODELS), "--alias", "other=minilm-bi", "--threads", "1"),
    ) as server:
        yield server


def cache(server: Server, model: str) -> dict[str, float]:
    return {
        sample.name.removeprefix("scorert_embedding_cache_"): sample.value
        for family in text_string_to_metric_families(server.client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("scorert_embedding_cache_") and sample.labels["model"] == model
    }


@pytest.mark.parametrize("model", MODELS)
def test_ids_rank_as_their_texts_do(server: Server, model: str) -> None:
    body = {"model": model, "query": QUERY}
    sent = server.client.post("/rerank", json=body | {"documents": TEXTS}).json()
    wanted = [IDS[3], *IDS]
    for path in ("/rerank", "/v1/rerank", "/v2/rerank"):
        response = server.client.post(path, json=body | {"document_ids": wanted})
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["model"] == model
        scores = [result["relevance_score"] for result in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        assert [result["id"] for result in answer["results"]] == [
            wanted[result["index"]] for result in answer["results"]
        ]
        want = {IDS[result["index"]]: result["relevance_score"] for result in sent["results"]}
        for result in answer["results"]:
            assert result.keys() == {"index", "id", "relevance_score"}
            assert result["relevance_score"] == pytest.approx(want[result["id"]], abs=MODELS[model][1])
        assert 0 < answer["usage"]["total_tokens"] < sent["usage"]["total_tokens"]
    best = server.client.post("/rerank", json=body | {"document_ids": wanted, "top_n": 1}).json()
    assert best["results"] == answer["results"][:1]


def test_a_pdf_becomes_pages_that_rank_by_their_ids(
    multimodal: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    artifact = multimodal("colqwen2")[1]
    report = save_pictures(tmp_path / "report.pdf", *(picture("RGB", 90, 60, number) for number in range(3)))
    command = [sys.executable, "-m", "engine", "index", artifact, report, "--output", tmp_path / "index"]
    subprocess.run([*command, "--threads", "1"], cwd=ROOT, env=os.environ, check=True, capture_output=True)
    ids = [f"report.pdf#page={number}" for number in (1, 2, 3)]
    with Server("--model", artifact, "--index", tmp_path / "index", "--threads", "1") as server:
        answer = server.client.post("/rerank", json={"query": QUERY, "document_ids": ids}).raise_for_status().json()
    engine = Engine.load(artifact, threads=1)
    want = engine.rerank(QUERY, [page.image() for page in read_pages(report)])
    engine.close()
    assert [result["id"] for result in answer["results"]] == [ids[ranked.index] for ranked in want.results]
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == pytest.approx([ranked.score for ranked in want.results], abs=1e-4)


def test_what_cannot_be_found_is_named(server: Server) -> None:
    def refused(**body: object) -> dict[str, str]:
        response = server.client.post("/rerank", json={"query": QUERY} | body)
        assert response.status_code == 400
        error: dict[str, str] = response.json()["error"]
        return error

    unknown = refused(model="other", document_ids=["city-1", 5])
    assert unknown["message"] == "The index has no document with the id '5'."
    assert unknown["param"] == "body.document_ids"
    assert "The model `minilm-ce` has no index of documents" in refused(document_ids=["city-1"])["message"]
    assert "At least one document id" in refused(model="minilm-bi", document_ids=[])["message"]
    assert "document_ids[1]" in refused(model="minilm-bi", document_ids=["a", 1.5])["message"]


@pytest.mark.parametrize("model", MODELS)
def test_texts_that_come_again_are_seen_in_the_metrics(server: Server, model: str) -> None:
    body = {"model": model, "query": "new", "documents": ["new too", "also new"]}
    before = cache(server, model)
    first = server.client.post("/rerank", json=body).json()
    between = cache(server, model)
    again = server.client.post("/rerank", json=body).json()
    after = cache(server, model)
    assert again["results"] == first["results"]
    assert again["usage"] == first["usage"]
    assert between["misses_total"] - before["misses_total"] == 3
    assert between["hits_total"] == before["hits_total"]
    assert after["misses_total"] == between["misses_total"]
    assert after["hits_total"] - between["hits_total"] == 3
    assert after["bytes"] == between["bytes"] > before["bytes"]
    assert cache(server, "minilm-ce") == {}
