"""Endpoints that share a path: each can be reached, and answers what its clients send."""

from collections import defaultdict
from typing import Any

import msgspec
import pytest
from starlette.datastructures import Headers

from api.dialects import ENDPOINTS
from api.endpoint import Endpoint
from api.wire.decoding import decode, fields_of


def test_only_the_last_endpoint_of_a_path_takes_the_rest() -> None:
    sharing: dict[tuple[str, str], list[Endpoint]] = defaultdict(list)
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            sharing[endpoint.method, path].append(endpoint)
    assert any(len(endpoints) > 1 for endpoints in sharing.values())
    for (method, path), endpoints in sharing.items():
        told = [endpoint.when is not None for endpoint in endpoints]
        assert told == [True] * (len(endpoints) - 1) + [False], f"{method} {path}: {told}"


RERANK = {"query": "q", "documents": ["d"]}


# Fields that tell a dialect where they are given.
NULLS = (
    *("texts", "document_ids", "rank_fields", "max_chunks_per_doc", "raw_scores", "property", "inputs", "modality"),
    *("truncation", "output_dimension", "output_dtype", "messages"),
)


@pytest.mark.parametrize(
    ("path", "body", "headers", "dialect"),
    [
        ("/rerank", RERANK, {}, "vLLM and Jina"),
        ("/v1/rerank", RERANK | {"model": "m", "top_n": 1, "return_documents": True}, {}, "vLLM and Jina"),
        ("/v1/rerank", RERANK | {"model": "jina-reranker-v2"}, {}, "vLLM and Jina"),
        ("/v1/rerank", RERANK | {"model": "rerank-v3.5"}, {}, "vLLM and Jina"),
        ("/v2/rerank", RERANK | {"top_k": 1}, {}, "vLLM and Jina"),
        ("/rerank", RERANK | {"rank_fields": ["text"]}, {}, "Cohere"),
        ("/rerank", RERANK | {"rank_fields": ["text"]}, {"X-Pinecone-API-Version": "2025-10"}, "Pinecone"),
        ("/v1/rerank", RERANK | {"truncation": True}, {"X-Fern-SDK-Name": "cohere"}, "Cohere"),
        ("/v1/rerank", RERANK | {"top_k": None}, {}, "Voyage"),
        ("/v1/rerank", RERANK | {"truncation": True}, {}, "vLLM and Jina"),
        ("/v1/rerank", RERANK | {"model": "rerank-2.5"}, {}, "Voyage"),
        ("/v1/rerank", RERANK | {"model": "rerank-lite-1"}, {}, "Voyage"),
        ("/v1/rerank", RERANK, {"X-Fern-SDK-Name": "voyageai"}, "Voyage"),
        ("/rerank", RERANK | {"raw_scores": False}, {}, "infinity"),
        ("/rerank", RERANK | dict.fromkeys(NULLS), {}, "vLLM and Jina"),
        ("/rerank", {"query": "q", "texts": ["d"]} | dict.fromkeys(NULLS[1:]), {}, "TEI"),
        ("/v1/embeddings", {"input": "a"} | dict.fromkeys(NULLS), {}, "OpenAI, vLLM and Jina"),
        ("/v1/embeddings", {"messages": []} | dict.fromkeys(NULLS[:-1]), {}, "OpenAI and vLLM"),
        ("/pooling", {"input": "a"} | dict.fromkeys(NULLS), {}, "vLLM"),
        ("/classify", {"input": ["a"]} | dict.fromkeys(NULLS), {}, "vLLM"),
        ("/tokenize", {"prompt": "a", "inputs": None}, {}, "vLLM"),
        ("/invocations", RERANK | dict.fromkeys(NULLS), {}, "vLLM"),
        ("/rerank", RERANK | {"model": "default/not-specified"}, {}, "infinity"),
        ("/infinity/rerank", RERANK, {}, "infinity"),
        ("/rerank", RERANK | {"property": ""}, {}, "Weaviate"),
        ("/rerank", {"query": "q", "texts": ["d"], "raw_scores": True}, {}, "TEI"),
        ("/rerank", {"query": "q", "document_ids": ["d"]}, {}, "ScoreRT"),
        ("/v1/reranking", {"query": "q", "input": ["d"]}, {}, "Mixedbread"),
        ("/v1/reranking", RERANK, {}, "llama.cpp"),
        ("/reranking", {"query": "q", "texts": ["d"]}, {}, "llama.cpp"),
        ("/v1/embeddings", {"input": "a"}, {}, "OpenAI, vLLM and Jina"),
        ("/v1/embeddings", {"input": "a", "model": "voyage-3.5"}, {}, "Voyage"),
        ("/v1/embeddings", {"input": "a", "output_dtype": "int8"}, {}, "Voyage"),
        ("/v1/embeddings", {"input": "a", "modality": "text"}, {}, "infinity"),
        ("/embed", {"inputs": "a"}, {}, "TEI"),
        ("/embed", {"inputs": [{"text": "a"}]}, {"X-Pinecone-API-Version": "2025-10"}, "Pinecone"),
        ("/classify", {"input": ["a"]}, {}, "vLLM"),
        ("/classify", {"input": ["a"], "raw_scores": True}, {}, "infinity"),
        ("/invocations", RERANK, {}, "vLLM"),
        ("/invocations", {"query": "q", "texts": ["d"]}, {}, "TEI"),
        ("/invocations", {"inputs": "a"}, {}, "TEI"),
        ("/invocations", {"input": "a"}, {}, "vLLM"),
    ],
)
def test_a_request_is_told_by_what_its_client_sends(
    path: str, body: dict[str, Any], headers: dict[str, str], dialect: str
) -> None:
    fields = fields_of(msgspec.json.encode(body))
    sharing = [endpoint for endpoint in ENDPOINTS if path in endpoint.paths and endpoint.method == "POST"]
    meant = next(own for own in sharing if own.when is None or own.when(fields, Headers(headers)))
    assert meant.dialect == dialect


BODIES = [endpoint for endpoint in ENDPOINTS if endpoint.request is not None and endpoint.method == "POST"]


@pytest.mark.parametrize("endpoint", BODIES, ids=lambda own: f"{own.dialect} {own.paths[0]} {own.told_by}")
def test_its_example_is_its_own(endpoint: Endpoint) -> None:
    body = msgspec.json.encode(endpoint.example)
    decode(body, endpoint.request)
    headers = {"X-Pinecone-API-Version": "2025-10"} if endpoint.dialect == "Pinecone" else {}
    for path in endpoint.paths:
        sharing = [own for own in BODIES if path in own.paths]
        fields = fields_of(body)
        assert endpoint is next(own for own in sharing if own.when is None or own.when(fields, Headers(headers)))
