"""The clients that people have, pointed at ScoreRT: Cohere's, OpenAI's, Hugging Face's, and curl."""

import base64
from typing import Any

import cohere
import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.e2e.conftest import DEFAULT
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "What is the capital of France?"
TEXTS = ["Cows eat grass.", "The capital of France is Paris.", "Berlin is a city."]
RERANKERS = ["minilm-ce", "minilm-bi", "minilm-colbert"]


def scores(server: Server, model: str, documents: list[str] = TEXTS) -> list[float]:
    """What `/score` gives."""
    body = {"model": model, "queries": QUERY, "documents": documents}
    return [item["score"] for item in server.client.post("/score", json=body).json()["data"]]


def embeddings(server: Server, inputs: Any, model: str = DEFAULT) -> np.ndarray:
    """What `/v1/embeddings` gives."""
    answer = server.client.post("/v1/embeddings", json={"model": model, "input": inputs}).json()
    return np.array([item["embedding"] for item in answer["data"]], np.float32)


class TestCohere:
    @pytest.fixture
    def v1(self, server: Server) -> cohere.Client:
        return cohere.Client("unused", base_url=server.url)

    @pytest.fixture
    def v2(self, server: Server) -> cohere.ClientV2:
        return cohere.ClientV2("unused", base_url=server.url)

    @pytest.mark.parametrize("model", RERANKERS)
    def test_rerank(self, server: Server, v1: cohere.Client, v2: cohere.ClientV2, model: str) -> None:
        expected = scores(server, model)
        order = np.argsort(-np.array(expected)).tolist()
        for answer in (
            v1.rerank(model=model, query=QUERY, documents=TEXTS),
            v2.rerank(model=model, query=QUERY, documents=TEXTS, max_tokens_per_doc=4096, priority=1),
        ):
            assert [result.index for result in answer.results] == order
            for result in answer.results:
                assert result.relevance_score == pytest.approx(expected[result.index], abs=1e-5)
            assert answer.meta is not None
            assert answer.meta.billed_units is not None
            assert answer.meta.billed_units.search_units == 1

    def test_documents_come_back_as_they_were(self, server: Server, v1: cohere.Client) -> None:
        documents = ["Cows", {"text": "Paris", "title": "France"}]
        answer = v1.rerank(model="minilm-bi", query=QUERY, documents=documents, return_documents=True, top_n=1)
        assert [result.index for result in answer.results] == [1]
        assert answer.results[0].document is not None
        assert answer.results[0].document.dict() == documents[1]
        assert answer.results[0].relevance_score == pytest.approx(scores(server, "minilm-bi", ["Paris"])[0], abs=1e-5)

    def test_rank_fields(self, server: Server, v1: cohere.Client) -> None:
        documents = [{"title": "Animals", "text": TEXTS[0]}, {"title": "France", "text": "Its capital is Paris."}]
        answer = v1.rerank(model="minilm-ce", query=QUERY, documents=documents, rank_fields=["title", "text"])
        expected = scores(server, "minilm-ce", [f"title: {own['title']}\ntext: {own['text']}" for own in documents])
        for result in answer.results:
            assert result.document is None
            assert result.relevance_score == pytest.approx(expected[result.index], abs=1e-5)

    def test_embed(self, server: Server, v1: cohere.Client, v2: cohere.ClientV2) -> None:
        expected = embeddings(server, TEXTS)
        plain = v1.embed(texts=TEXTS, model=DEFAULT, input_type="search_document")
        assert plain.response_type == "embeddings_floats"
        np.testing.assert_allclose(plain.embeddings, expected, atol=1e-5)
        for client in (v1, v2):
            typed = client.embed(
                texts=TEXTS, model=DEFAULT, input_type="search_query", embedding_types=["float", "int8", "ubinary"]
            ).embeddings
            np.testing.assert_allclose(typed.float_, expected, atol=1e-5)
            np.testing.assert_allclose((np.array(typed.int8) + 128.5) / 127.5 - 1, expected, atol=0.5 / 127 + 1e-4)
            np.testing.assert_array_equal(np.unpackbits(np.array(typed.ubinary, np.uint8), axis=1), expected > 0)
            assert typed.base64 is None

    def test_a_client_may_split_what_it_embeds(self, v1: cohere.Client) -> None:
        texts = [f"document {number}" for number in range(100)]
        answer = v1.embed(texts=texts, model=DEFAULT, input_type="classification", embedding_types=["binary"])
        assert np.array(answer.embeddings.binary).shape == (100, 384 // 8)
        assert answer.texts == texts

    def test_an_error(self, v2: cohere.ClientV2) -> None:
        with pytest.raises(cohere.NotFoundError) as caught:
            v2.rerank(model="rerank-v3.5", query=QUERY, documents=TEXTS)
        assert caught.value.body["error"]["message"].startswith("The model `rerank-v3.5` does not exist; ")


class TestOpenAI:
    @pytest.fixture
    def client(self, server: Server) -> openai.OpenAI:
        return openai.OpenAI(api_key="unused", base_url=f"{server.url}/v1", max_retries=0)

    @pytest.mark.parametrize("inputs", ["one text", TEXTS, [101, 2023, 102], [[101, 2023, 102], [101, 102]]])
    def test_embeddings(self, server: Server, client: openai.OpenAI, inputs: Any) -> None:
        expected = embeddings(server, inputs)
        for more in ({}, {"encoding_format": "float"}):
            answer = client.embeddings.create(model=DEFAULT, input=inputs, **more)
            np.testing.assert_allclose([item.embedding for item in answer.data], expected, atol=1e-5)
            assert [item.index for item in answer.data] == list(range(len(expected)))
        assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0

    def test_base64(self, server: Server, client: openai.OpenAI) -> None:
        answer = client.embeddings.create(model=DEFAULT, input=TEXTS, encoding_format="base64")
        decoded = [np.frombuffer(base64.b64decode(str(item.embedding)), "<f4") for item in answer.data]
        np.testing.assert_allclose(decoded, embeddings(server, TEXTS), atol=1e-5)

    def test_models(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()] == [DEFAULT, *RERANKERS, "prompted", "identity"]

    def test_errors(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="dimensions cuts the embeddings of Matryoshka models"):
            client.embeddings.create(model=DEFAULT, input="a", dimensions=8)
        with pytest.raises(openai.NotFoundError, match="The model `text-embedding-3-small` does not exist") as caught:
            client.embeddings.create(model="text-embedding-3-small", input="a")
        assert caught.value.type == "NotFoundError"
        assert caught.value.request_id == caught.value.response.headers["x-request-id"]


class TestHuggingFace:
    """The client posts to the URL it is given, so the default model must be right for `/`."""

    @pytest.mark.parametrize("path", ["", "/embed"])
    def test_feature_extraction(self, server: Server, path: str) -> None:
        client = InferenceClient(server.url + path)
        for text, rows in (("one text", ["one text"]), (TEXTS, TEXTS)):
            np.testing.assert_allclose(client.feature_extraction(text), embeddings(server, rows), atol=1e-5)
        long = client.feature_extraction("cows " * 600, truncate=True, truncation_direction="left", normalize=True)
        assert long.shape == (1, 384)

    @pytest.mark.parametrize("path", ["", "/similarity"])
    def test_sentence_similarity(self, server: Server, path: str) -> None:
        client = InferenceClient(server.url + path)
        assert client.sentence_similarity(QUERY, TEXTS) == pytest.approx(scores(server, DEFAULT), abs=1e-5)

    def test_text_classification(self, server: Server, contract_artifacts: dict[str, Any]) -> None:
        expected = server.client.post("/classify", json={"model": "minilm-ce", "input": TEXTS[0]}).json()["data"][0]
        with Server("--model", contract_artifacts["minilm-ce"], "--threads", "1") as own:
            for path in ("", "/predict"):
                client = InferenceClient(own.url + path)
                (predicted,) = client.text_classification(TEXTS[0])
                assert (predicted.label, predicted.score) == ("LABEL_0", pytest.approx(expected["probs"][0], abs=1e-5))
                (logit,) = client.text_classification(TEXTS[0], function_to_apply="none")
                assert 1 / (1 + np.exp(-logit.score)) == pytest.approx(expected["probs"][0], abs=1e-5)

    def test_errors_show_their_sentence(self, server: Server) -> None:
        with pytest.raises(HfHubHTTPError, match="shorten it, or set truncate to true"):
            InferenceClient(server.url).feature_extraction("cows " * 600, truncate=False)
