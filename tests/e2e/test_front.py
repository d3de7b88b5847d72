"""What proxies and clients do to a request on its way: compression, and slashes at the end."""

import gzip

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
