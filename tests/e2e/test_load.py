"""A server under many clients, a third of whose requests are bad: it answers the others right, and forgets them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.server import Server
from tests.e2e.traffic import Question, ask, send

pytestmark = pytest.mark.slow

WORDS = ["river", "old town of Bern", "where does it end"]


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    # Computing is what is watched here, and each text comes often.
    with Server("--model", *contract_artifacts.values(), "--embedding-cache-bytes", "0") as server:
        yield server


@pytest.fixture(scope="module")
def questions(server: Server, contract_artifacts: dict[str, Path]) -> list[Question]:
    """Requests to every model on several paths, with the answers they get from a server that has nothing else to do."""
    # Short, since it is the requests that matter here, and not what they cost.
    texts = [f"{WORDS[number % 3]} {number}" for number in range(24)]
    bodies: list[tuple[str, dict[str, Any]]] = []
    for model in contract_artifacts:
        for start in range(0, 24, 3):
            documents = texts[start : start + 3]
            bodies.append(("/rerank", {"model": model, "query": texts[-start], "documents": documents[:1]}))
            bodies.append(("/score", {"model": model, "text_1": texts[start], "text_2": documents[:2]}))
    bodies += [("/v1/embeddings", {"model": "minilm-bi", "input": text}) for text in texts]
    return asyncio.run(_answers(server.url, bodies))


async def _answers(url: str, bodies: list[tuple[str, dict[str, Any]]]) -> list[Question]:
    host, port = url.removeprefix("http://").split(":")
    connection = await asyncio.open_connection(host, int(port))
    questions = []
    for path, body in bodies:
        encoded = json.dumps(body).encode()
        answered = await ask(connection, path, encoded)
        assert answered.status == 200, answered
        questions.append(Question(path, encoded, answered.body))
    connection[1].close()
    return questions


def test_good_requests_are_answered_right_and_nothing_is_left_or_kept(
    server: Server, questions: list[Question]
) -> None:
    counts = asyncio.run(send(server.url, questions, clients=64, requests=2_000, seed=1))
    assert min(counts.values()) > 100
    early = server.resident_bytes()
    more = asyncio.run(send(server.url, questions, clients=64, requests=10_000, seed=2))
    assert sum(counts.values()) + sum(more.values()) == 12_000
    late = server.resident_bytes()
    samples = [
        sample
        for family in text_string_to_metric_families(server.client.get("/metrics").text)
        for sample in family.samples
    ]
    waiting = [sample for sample in samples if sample.name.startswith("scorert_queue_")]
    assert len(waiting) == 6
    assert all(sample.value == 0 for sample in waiting)
    assert [sample.value for sample in samples if sample.name == "scorert_requests_in_flight"] == [0]
    assert not [sample for sample in samples if sample.labels.get("status", "").startswith("5") and sample.value]
    assert late < 1.1 * early, f"{early / 1e6:.0f} MB after 2,000 requests, {late / 1e6:.0f} MB after 12,000"
    assert "Traceback" not in server.stderr()
