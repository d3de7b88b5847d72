"""One long text does not stop anybody: others are answered at once, limits hold before it is tokenised."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import Server

MILLION = 1_000_000


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Server]:
    with Server("--model", *contract_artifacts.values(), "--threads", "1", "--shutdown-timeout", "1") as server:
        yield server


DOTS = "." * (3 * MILLION)
LONG: dict[str, tuple[str, dict[str, Any], int]] = {
    "tokenize": ("/tokenize", {"prompt": "." * MILLION}, 400),
    "tokenize for TEI": ("/tokenize", {"inputs": ["a", DOTS]}, 413),
    "detokenize": ("/detokenize", {"tokens": [5] * (MILLION + 1)}, 400),
    "decode": ("/decode", {"ids": [[5] * 600_000, [6] * 600_000]}, 413),
    "rerank": ("/rerank", {"query": "a", "documents": ["b", DOTS]}, 400),
    "rerank, query": ("/rerank", {"query": DOTS, "documents": ["b"]}, 400),
    "rerank, cut": ("/rerank", {"query": "a", "documents": [DOTS], "truncate_prompt_tokens": -1}, 200),
    "rerank, cut, one word": (
        "/rerank",
        {"query": "a", "documents": ["a" * MILLION], "truncate_prompt_tokens": -1},
        200,
    ),
    "score, left": (
        "/score",
        {"queries": DOTS, "documents": "b", "truncate_prompt_tokens": -1, "truncation_side": "left"},
        200,
    ),
    "rerank, cut, white space": (
        "/rerank",
        {"query": "a", "documents": [" " * (20 * MILLION)], "truncate_prompt_tokens": -1},
        400,
    ),
    "embed, white space": ("/embed", {"model": "minilm-bi", "inputs": [" " * (20 * MILLION)], "truncate": True}, 413),
    "classify": ("/classify", {"model": "minilm-ce", "input": [DOTS]}, 400),
    "embeddings": ("/v1/embeddings", {"model": "minilm-bi", "input": [DOTS]}, 400),
    "embed": ("/embed", {"model": "minilm-bi", "inputs": [DOTS], "truncate": True}, 200),
    "pooling": ("/pooling", {"model": "minilm-colbert", "input": [DOTS]}, 400),
    "values": ("/v1/embeddings", {"model": "minilm-bi", "input": [[]] * (3 * MILLION)}, 400),
}


@pytest.mark.parametrize("name", LONG)
def test_limits_hold_before_a_text_is_tokenised(server: Server, name: str) -> None:
    path, body, status = LONG[name]
    begun = time.monotonic()
    answer = server.client.post(path, json=body)
    assert time.monotonic() - begun < 15
    assert answer.status_code == status, answer.text[:300]
    if status != 200:
        sentence = (
            answer.json()["error"] if isinstance(answer.json()["error"], str) else answer.json()["error"]["message"]
        )
        assert len(sentence) < 300
        assert any(word in sentence for word in ("more than", "characters")), sentence


def test_others_are_answered_meanwhile(server: Server) -> None:
    """Of probes while long texts come in, nearly all are answered in 0.1 s; one that waits for a text waits for all."""
    stop = threading.Event()
    statuses: set[int] = set()

    # Made before the clock runs.
    bodies = {name: json.dumps(body).encode() for name, (_, body, _) in LONG.items()}

    def load(names: list[str]) -> None:
        with httpx.Client(base_url=server.url, timeout=120) as client:
            while not stop.is_set():
                statuses.update(client.post(LONG[name][0], content=bodies[name]).status_code for name in names)

    threads = [
        threading.Thread(target=load, args=[names])
        for names in (["tokenize", "values"], ["rerank, cut", "decode", "rerank, cut, white space"])
    ]
    for thread in threads:
        thread.start()
    waits = []
    try:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            begun = time.monotonic()
            assert server.client.get("/health").status_code == 200
            waits.append(time.monotonic() - begun)
            time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    waits.sort()
    assert statuses == {200, 400, 413}
    assert waits[len(waits) * 3 // 4] < 0.1, waits
    assert waits[-1] < 2, waits


def test_a_timeout_holds_while_a_text_is_tokenised(contract_artifacts: dict[str, Path]) -> None:
    limits = ["--timeout", "1", "--max-request-tokens", str(10 * MILLION), "--max-queued-tokens", str(10 * MILLION)]
    with Server("--model", contract_artifacts["minilm-ce"], *limits, "--shutdown-timeout", "1") as server:
        begun = time.monotonic()
        assert server.client.post("/tokenize", json={"prompt": DOTS}).status_code in (504, 200)
        assert time.monotonic() - begun < 20
        threading.Thread(target=_post, args=[f"{server.url}/tokenize", {"prompt": DOTS}]).start()
        time.sleep(0.5)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 8


def _post(url: str, body: Any) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(url, json=body, timeout=60)
