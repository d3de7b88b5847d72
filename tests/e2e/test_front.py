"""What proxies and clients do to a request on its way: compression, prefixes, slashes at the end, token ids."""

import gzip
from pathlib import Path

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow

_BODY = b'{"model": "minilm-ce", "query": "a", "documents": ["b"]}'


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_compressed_bodies_are_read(server: Server, path: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = server.client.post(path, content=gzip.compress(_BODY), headers=headers)
    plain = server.client.post(path, content=_BODY, headers={"content-type": "application/json"})
    assert answer.json()["results"] == plain.json()["results"]
    refused = server.client.post(path, content=_BODY, headers=headers | {"content-encoding": "br"})
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "gzip, deflate")
    bomb = server.client.post(path, content=gzip.compress(b" " * 2**26), headers=headers)
    assert bomb.status_code == 413


@pytest.mark.parametrize("path", ["/rerank/", "/v2/rerank/", "/health/", "/v1/models/", "/info/"])
def test_a_slash_at_the_end_changes_nothing(server: Server, path: str) -> None:
    headers = {"content-type": "application/json"}
    method, content = ("POST", _BODY) if "rerank" in path else ("GET", None)
    answers = [server.client.request(method, way, content=content, headers=headers) for way in (path, path[:-1])]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_proxys_prefix_and_token_ids_of_another_vocabulary(contract_artifacts: dict[str, Path]) -> None:
    options = ("--root-path", "/models/", "--refuse-token-ids", "--threads", "1")
    with Server("--model", contract_artifacts["minilm-bi"], *options) as server:
        described = server.client.get("/openapi.json").json()
        assert described["servers"] == [{"url": "/models"}]
        assert server.client.post("/v1/embeddings", json={"input": "a"}).status_code == 200
        assert server.client.get("/docs/").headers["location"].endswith("/models/docs")
        for path, field in (("/v1/embeddings", "input"), ("/pooling", "input"), ("/embed", "inputs")):
            for tokens in ([101, 102], [[101, 102], [5]]):
                response = server.client.post(path, json={field: tokens})
                assert response.status_code in (400, 422)
                assert response.json()["message"].startswith(f"{field} has token ids, which this server refuses")
