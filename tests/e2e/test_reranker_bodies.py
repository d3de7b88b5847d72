"""Bodies as clients send them that are not installed here, each to be answered as its service does."""

import base64
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import DEFAULT
from tests.e2e.server import Server
from tests.e2e.test_clients import QUERY, RERANKERS, TEXTS, embeddings, scores

pytestmark = pytest.mark.slow

LONG = "cows " * 600


def post(server: Server, path: str, body: dict[str, Any], **headers: str) -> Any:
    response = server.client.post(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def refused(server: Server, path: str, body: dict[str, Any]) -> tuple[int, str]:
    response = server.client.post(path, json=body)
    return response.status_code, response.json()["detail"]


def logits(server: Server, model: str) -> list[float]:
    body = {"model": model, "queries": QUERY, "documents": TEXTS, "use_activation": False}
    return [item["score"] for item in post(server, "/score", body)["data"]]


def sigmoid(values: list[float]) -> list[float]:
    return [1 / (1 + np.exp(-value)) for value in values]


def assert_ranked(results: list[dict[str, Any]], expected: list[float], score: str = "relevance_score") -> None:
    """By falling score, each document's its own."""
    assert [own["index"] for own in results] == np.argsort(-np.array(expected)).tolist()[: len(results)]
    for own in results:
        assert own[score] == pytest.approx(expected[own["index"]], abs=1e-5)


class TestVoyage:
    """As voyageai 0.5 sends them, whose requests have no header of its own."""

    @pytest.mark.parametrize("model", RERANKERS)
    def test_rerank(self, server: Server, model: str) -> None:
        body = {"query": QUERY, "documents": TEXTS, "model": model, "top_k": None, "truncation": True}
        for path in ("/v1/rerank", "/rerank"):
            answer = post(server, path, body)
            assert_ranked(answer["data"], scores(server, model))
            assert (answer["object"], answer["model"], list(answer["usage"])) == ("list", model, ["total_tokens"])
        answer = post(server, "/v1/rerank", body | {"top_k": 1, "return_documents": True})
        assert [own["document"] for own in answer["data"]] == [TEXTS[answer["data"][0]["index"]]]

    def test_its_models_and_its_other_client_tell_too(self, server: Server) -> None:
        body = {"query": QUERY, "documents": TEXTS}
        assert refused(server, "/v1/rerank", body | {"model": "rerank-2.5-lite"})[0] == 404
        headers = {"X-Fern-SDK-Name": "voyageai"}
        assert "data" in post(server, "/v1/rerank", body, **headers)
        assert "results" in post(server, "/v1/rerank", body)
        assert list(post(server, "/v1/embeddings", {"input": "a"}, **headers)["usage"]) == ["total_tokens"]

    def test_truncation(self, server: Server) -> None:
        body = {"query": QUERY, "documents": [LONG], "model": "minilm-ce", "top_k": None}
        assert post(server, "/v1/rerank", body)["data"]
        status, sentence = refused(server, "/v1/rerank", body | {"truncation": False})
        assert (status, sentence.partition(": ")[2]) == (400, "shorten it, or set truncation to true.")

    @pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/multimodalembeddings"])
    def test_number_types(self, server: Server, path: str) -> None:
        expected = embeddings(server, TEXTS)
        inputs = [{"content": [{"type": "text", "text": text}]} for text in TEXTS]
        body = {"input": TEXTS} if path == "/v1/embeddings" else {"inputs": inputs}
        body |= {"model": DEFAULT, "input_type": None, "truncation": True, "output_dimension": None}
        types = {"float": "<f4", "int8": "i1", "uint8": "u1", "binary": "i1", "ubinary": "u1"}
        for name, kind in types.items():
            numbers, written = (
                [own["embedding"] for own in post(server, path, body | {"output_dtype": name} | more)["data"]]
                for more in ({}, {"encoding_format": "base64"})
            )
            decoded = np.array([np.frombuffer(base64.b64decode(own), kind) for own in written])
            np.testing.assert_array_equal(decoded, np.array(numbers).astype(kind))
            match name:
                case "float":
                    np.testing.assert_allclose(decoded, expected, atol=1e-5)
                case "int8" | "uint8":
                    levels = decoded.astype(float) + (128.5 if name == "int8" else 0.5)
                    np.testing.assert_allclose(levels / 127.5 - 1, expected, atol=0.5 / 127 + 1e-4)
                case "binary" | "ubinary":
                    bits = (decoded.astype(int) + (128 if name == "binary" else 0)).astype(np.uint8)
                    np.testing.assert_array_equal(np.unpackbits(bits, axis=1), expected > 0)

    def test_null_means_the_default(self, server: Server) -> None:
        body = {"input": TEXTS, "output_dtype": None, "encoding_format": None, "input_type": None, "truncation": None}
        answer = post(server, "/v1/embeddings", body)
        np.testing.assert_allclose([own["embedding"] for own in answer["data"]], embeddings(server, TEXTS), atol=1e-5)


class TestInfinity:
    """As infinity-client 0.0.78 sends them. Where a body does not tell, the path does."""

    NAMED_NONE = "default/not-specified"

    @pytest.mark.parametrize("path", ["/rerank", "/infinity/rerank"])
    @pytest.mark.parametrize("model", [*RERANKERS, "identity"])
    def test_rerank(self, server: Server, path: str, model: str) -> None:
        reads_pairs = model in ("minilm-ce", "identity")
        raw = logits(server, model)
        body = {"query": QUERY, "documents": TEXTS, "return_documents": False, "raw_scores": False, "model": model}
        assert_ranked(post(server, path, body)["results"], sigmoid(raw) if reads_pairs else raw)
        answer = post(server, path, body | {"raw_scores": True, "return_documents": True, "top_n": 2})
        assert_ranked(answer["results"], raw)
        assert [own["document"] for own in answer["results"]] == [TEXTS[own["index"]] for own in answer["results"]]
        assert (answer["object"], answer["model"]) == ("rerank", model)

    def test_litellm_reads_strings(self, server: Server) -> None:
        body = {"query": QUERY, "documents": TEXTS, "model": "minilm-ce", "top_n": 1, "return_documents": True}
        assert isinstance(post(server, "/infinity/rerank", body)["results"][0]["document"], str)
        assert isinstance(post(server, "/rerank", body)["results"][0]["document"], dict)

    def test_a_model_that_nobody_named(self, server: Server) -> None:
        answer = post(server, "/rerank", {"query": QUERY, "documents": TEXTS, "model": self.NAMED_NONE})
        assert (answer["model"], answer["results"][0]["document"]) == (DEFAULT, None)
        body = {"input": [LONG], "model": self.NAMED_NONE, "modality": "text", "dimensions": 0}
        for path in ("/embeddings", "/v1/embeddings", "/infinity/embeddings"):
            assert len(post(server, path, body)["data"][0]["embedding"]) == 384
        assert post(server, "/classify", {"input": ["a"], "model": self.NAMED_NONE})["model"] == "minilm-ce"

    def test_classify(self, server: Server) -> None:
        expected = post(server, "/classify", {"model": "minilm-ce", "input": TEXTS})["data"]
        for path in ("/classify", "/infinity/classify"):
            answer = post(server, path, {"input": TEXTS, "model": "minilm-ce", "raw_scores": False})
            assert answer["object"] == "classify"
            for (own,), other in zip(answer["data"], expected, strict=True):
                assert own == {"score": pytest.approx(other["probs"][0], abs=1e-5), "label": "LABEL_0"}

    def test_models_and_health(self, server: Server) -> None:
        served = server.client.get("/models").json()["data"]
        assert {own["id"]: own["capabilities"] for own in served} == {
            DEFAULT: ["rerank", "embed"],
            "minilm-ce": ["rerank", "classify"],
            "minilm-bi": ["rerank", "embed"],
            "minilm-colbert": ["rerank"],
            "prompted": ["rerank", "embed"],
            "identity": ["rerank", "classify"],
        }
        assert server.client.get("/infinity/health").json()["unix"] > 1e9


class TestLlamaCpp:
    @pytest.mark.parametrize("path", ["/reranking", "/v1/reranking"])
    def test_rerank(self, server: Server, path: str) -> None:
        expected = logits(server, "minilm-ce")
        answer = post(server, path, {"model": "minilm-ce", "query": QUERY, "documents": TEXTS, "top_n": 2})
        assert_ranked(answer["results"], expected)
        assert (answer["object"], len(answer["results"]), set(answer["results"][0])) == (
            "list", 2, {"index", "relevance_score"},
        )  # fmt: skip
        bare = post(server, path, {"model": "minilm-ce", "query": QUERY, "texts": TEXTS, "return_text": True})
        assert_ranked(bare, expected, "score")
        assert [own["text"] for own in bare] == [TEXTS[own["index"]] for own in bare]

    def test_errors(self, server: Server) -> None:
        assert refused(server, "/reranking", {"query": QUERY}) == (400, "documents is missing: add it, or texts.")
        status, sentence = refused(server, "/reranking", {"model": "minilm-ce", "query": QUERY, "documents": [LONG]})
        assert (status, sentence.partition(": ")[2]) == (
            400, "shorten it, or set long_documents to \"truncate\".",
        )  # fmt: skip


class TestDeepInfra:
    """As LiteLLM sends them: a query for each document."""

    @pytest.mark.parametrize("model", RERANKERS)
    def test_rerank(self, server: Server, model: str) -> None:
        raw = logits(server, model)
        expected = sigmoid(raw) if model == "minilm-ce" else raw
        for queries in ({"queries": [QUERY] * 3}, {"queries": [QUERY]}, {"query": QUERY}):
            answer = post(server, f"/v1/inference/{model}", queries | {"documents": TEXTS})
            assert answer["scores"] == pytest.approx(expected, abs=1e-5)
            assert answer["input_tokens"] == answer["inference_status"]["tokens_input"] > 0

    def test_errors(self, server: Server) -> None:
        path = "/v1/inference/minilm-ce"
        assert refused(server, path, {"documents": TEXTS}) == (400, "query is missing: add it, or queries.")
        assert refused(server, path, {"queries": [QUERY] * 2, "documents": TEXTS})[0] == 400
        status, sentence = refused(server, path, {"query": QUERY, "documents": TEXTS, "webhook": "http://a.example"})
        assert (status, sentence.partition(":")[0]) == (400, "webhook is not called here")
        assert refused(server, f"/v1/inference/{DEFAULT}", {"inputs": TEXTS, "image": "x"})[0] == 400


class TestWeaviate:
    """As Weaviate's Go client sends them: without a content type, and with an empty property."""

    def test_rerank(self, server: Server) -> None:
        body = {"query": QUERY, "documents": TEXTS, "property": ""}
        content = httpx.Request("POST", server.url, json=body).content
        answer = server.client.post("/rerank", content=content).json()
        assert [own["document"] for own in answer["scores"]] == TEXTS
        assert [own["score"] for own in answer["scores"]] == pytest.approx(scores(server, DEFAULT), abs=1e-5)
        one = post(server, "/rerank", {"query": QUERY, "property": TEXTS[0]})
        assert one["score"] == pytest.approx(scores(server, DEFAULT)[0], abs=1e-5)

    def test_vectors(self, server: Server) -> None:
        config = {"pooling_strategy": "masked_mean", "task_type": "passage"}
        for path in ("/vectors", "/vectors/"):
            answer = post(server, path, {"text": LONG, "config": config})
            assert (answer["text"], answer["dim"]) == (LONG, 384)
        np.testing.assert_allclose(
            post(server, "/vectors", {"text": TEXTS[0]})["vector"], embeddings(server, TEXTS[:1])[0], atol=1e-5
        )

    def test_an_error_is_a_string(self, server: Server) -> None:
        response = server.client.post("/rerank", json={"query": QUERY, "documents": [1], "property": ""})
        assert response.status_code == 400
        assert response.json()["error"] == "documents[0] must be a string, not an integer."

    def test_it_waits_until_the_server_is_ready(self, server: Server) -> None:
        for path in ("/.well-known/ready", "/.well-known/live"):
            assert server.client.get(path).is_success
        assert server.client.get("/meta").json() == {"_name_or_path": DEFAULT, "architectures": ["BertModel"]}


class TestTEIOnSageMaker:
    def test_invocations(self, server: Server) -> None:
        rerank = {"model": "minilm-ce", "query": QUERY, "texts": TEXTS, "return_text": True}
        assert post(server, "/invocations", rerank) == post(server, "/rerank", rerank)
        embed = {"inputs": TEXTS}
        assert post(server, "/invocations", embed) == post(server, "/embed", embed)
        predict = {"inputs": [[QUERY, TEXTS[0]]], "model": "minilm-ce"}
        assert post(server, "/invocations", predict) == post(server, "/predict", predict)
