"""Reads the recordings: requests to a real vLLM 0.32 server and what it answered."""

from pathlib import Path
from typing import Any

import httpx
import msgspec

MODELS = {
    "minilm-ce": "vllm-0.32-cross-encoder.json",
    "minilm-bi": "vllm-0.32-bi-encoder.json",
    "minilm-colbert": "vllm-0.32-late-interaction.json",
}

MULTIMODAL = {
    name: f"vllm-0.32-multimodal-{name}.json"
    for name in ("clip", "jina-m0", "qwen3-vl-reranker", "colqwen3", "colmodernvbert")
}
"""Models that read images, by their rows of `checkpoints.multimodal`."""


class Request(msgspec.Struct):
    method: str
    path: str
    json: Any
    raw: str | None
    headers: dict[str, str] | None


class Case(msgspec.Struct):
    name: str
    request: Request
    status: int
    content_type: str | None
    response: Any


def read(model: str) -> dict[str, Case]:
    """A model's cases by name."""
    content = (Path(__file__).parent / (MODELS | MULTIMODAL)[model]).read_bytes()
    return {case.name: case for case in msgspec.json.decode(content, type=list[Case])}


def with_cohere_meta(case: Case) -> Any:
    """The recorded answer, and what ScoreRT says besides where Cohere's clients ask for the same documents."""
    if case.status != 200 or case.request.path not in ("/v1/rerank", "/v2/rerank"):
        return case.response
    units = {"api_version": {"version": case.request.path[2]}, "billed_units": {"search_units": 1}}
    return {**case.response, "meta": units}


def send(client: httpx.Client, case: Case) -> httpx.Response:
    """Make a case's request of another server."""
    request = case.request
    if request.raw is not None:
        return client.request(request.method, request.path, content=request.raw, headers=request.headers)
    return client.request(request.method, request.path, json=request.json, headers=request.headers)
