"""Fields that say one thing twice, or that belong to another dialect of the path, are refused by their name."""

from typing import Any

import pytest

from tests.e2e.server import Server

PAIR = {"query": "q", "documents": ["x", "y"]}
MESSAGES = [{"role": "user", "content": "z"}]
CE = {"model": "minilm-ce"}


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/rerank", PAIR | {"texts": ["z"]}, "documents"),
        ("/invocations", PAIR | {"texts": ["z"]}, "documents"),
        ("/invocations", PAIR | {"inputs": "z"}, "query"),
        ("/invocations", PAIR | {"queries": ["z"]}, "queries"),
        ("/rerank", PAIR | {"top_k": 1, "rank_fields": ["text"]}, "top_k"),
        ("/rerank", PAIR | {"top_k": 1, "raw_scores": True}, "raw_scores"),
        ("/rerank", PAIR | {"top_k": 1, "top_n": 2}, "top_n"),
        ("/v2/rerank", PAIR | {"top_k": 1}, "top_k"),
        ("/v2/rerank", PAIR | {"raw_scores": True}, "raw_scores"),
        ("/rerank", PAIR | {"rank_fields": ["text"], "use_activation": False}, "use_activation"),
        ("/rerank", PAIR | {"max_query_length": 5, "max_tokens_per_query": 6}, "max_tokens_per_query"),
        ("/rerank", PAIR | {"truncation": False, "truncate_prompt_tokens": 6}, "truncation"),
        ("/reranking", PAIR | {"texts": ["z"]}, "texts"),
        ("/v1/reranking", PAIR | {"input": ["z"]}, "documents"),
        ("/v1/inference/minilm-ce", PAIR | {"queries": ["a", "b"]}, "queries"),
        ("/v1/inference/minilm-bi", PAIR | {"inputs": ["a"]}, "query"),
        ("/score", {"queries": "a", "documents": ["b"], "text_1": "c", "text_2": ["d"]}, "text_1"),
        ("/score", {"queries": "a", "documents": ["b"], "items": ["c"]}, "items"),
        ("/v1/embeddings", {"input": ["x"], "messages": MESSAGES}, "input"),
        ("/v1/embeddings", {"input": ["x"], "truncation": True, "dimensions": 2}, "dimensions"),
        ("/v1/embeddings", {"input": ["x"], "task": "classification", "input_type": "query"}, "task"),
        ("/pooling", {"input": ["x"], "messages": MESSAGES}, "input"),
        ("/classify", CE | {"input": ["x"], "messages": MESSAGES}, "input"),
        ("/tokenize", {"inputs": "a", "prompt": "b"}, "prompt"),
    ],
)
def test_a_field_beside_one_that_says_otherwise_is_refused(
    server: Server, path: str, body: dict[str, Any], name: str
) -> None:
    answered = server.client.post(path, json=body)
    assert answered.status_code in (400, 422), answered.text
    said = answered.json()["message"]
    assert name in said, said
    assert "leave" in said, said


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rerank", PAIR | {"texts": None, "top_k": None, "rank_fields": None, "parameters": {}}),
        ("/rerank", PAIR | {"user": "u", "unheard_of": 1}),
        ("/rerank", PAIR | {"rank_fields": ["text"], "request_id": "r", "priority": 1}),
        ("/reranking", PAIR | {"texts": ["x", "y"]}),
        ("/rerank", PAIR | {"max_query_length": 5, "max_tokens_per_query": 5}),
        ("/pooling", {"messages": MESSAGES, "add_special_tokens": False}),
        ("/score", {"queries": "a", "documents": ["b"], "text_1": "a"}),
    ],
)
def test_what_says_nothing_else_is_passed_over(server: Server, path: str, body: dict[str, Any]) -> None:
    answered = server.client.post(path, json=body)
    assert answered.status_code == 200, answered.text


def test_top_n_is_heeded_beside_texts(server: Server) -> None:
    """LiteLLM sends it to servers of TEI's API."""
    body = {"query": "q", "texts": ["x", "y", "z"], "top_n": 2, "raw_scores": False, "truncation_direction": "Right"}
    assert len(server.client.post("/rerank", json=body).json()) == 2
