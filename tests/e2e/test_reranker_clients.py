"""The clients of hosted rerankers, pointed at ScoreRT: Mixedbread's, Pinecone's, DeepInfra's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from deepinfra import Embeddings
from deepinfra import NotFoundError as DeepInfraNotFoundError
from mixedbread import BadRequestError, Mixedbread
from mixedbread import NotFoundError as MixedbreadNotFoundError
from pinecone import Pinecone
from pinecone.errors.exceptions import ApiError, UnauthorizedError
from pinecone.errors.exceptions import NotFoundError as PineconeNotFoundError

from tests.e2e.conftest import DEFAULT
from tests.e2e.server import Server
from tests.e2e.test_clients import QUERY, RERANKERS, TEXTS, embeddings, scores

pytestmark = pytest.mark.slow

LONG = "cows " * 600


def order_of(expected: list[float]) -> list[int]:
    order: list[int] = np.argsort(-np.array(expected)).tolist()
    return order


class TestMixedbread:
    @pytest.fixture
    def client(self, server: Server) -> Mixedbread:
        return Mixedbread(api_key="unused", base_url=server.url, max_retries=0)

    @pytest.mark.parametrize("model", RERANKERS)
    def test_rerank(self, server: Server, client: Mixedbread, model: str) -> None:
        expected = scores(server, model)
        answer = client.rerank(model=model, query=QUERY, input=TEXTS)
        assert [ranked.index for ranked in answer.data] == order_of(expected)
        for ranked in answer.data:
            assert ranked.score == pytest.approx(expected[ranked.index], abs=1e-5)
            assert (ranked.input, ranked.object) == (None, "rank_result")
        assert (answer.model, answer.top_k, answer.return_input, answer.object) == (model, 3, False, "list")
        assert answer.usage.total_tokens > 0

    def test_inputs_come_back_as_they_were(self, server: Server, client: Mixedbread) -> None:
        given: list[object] = [{"title": "Paris", "body": "x"}, {"title": "Cows", "text": "y"}]
        answer = client.rerank(
            model="minilm-bi", query=QUERY, input=given, rank_fields=["title"], top_k=1, return_input=True
        )
        assert [(ranked.index, ranked.input) for ranked in answer.data] == [(0, given[0])]
        assert answer.data[0].score == pytest.approx(scores(server, "minilm-bi", ["title: Paris"])[0], abs=1e-5)

    def test_long_inputs_are_cut(self, client: Mixedbread) -> None:
        assert len(client.rerank(model="minilm-ce", query=QUERY, input=[LONG]).data) == 1

    def test_errors(self, client: Mixedbread) -> None:
        with pytest.raises(MixedbreadNotFoundError, match="The model `mxbai-rerank-large-v2` does not exist"):
            client.rerank(model="mxbai-rerank-large-v2", query=QUERY, input=TEXTS)
        with pytest.raises(BadRequestError, match="rewrite_query is not done here: leave it out"):
            client.rerank(query=QUERY, input=TEXTS, rewrite_query=True)
        with pytest.raises(BadRequestError, match="top_k must be at least 0"):
            client.rerank(query=QUERY, input=TEXTS, top_k=-1)
        with pytest.raises(BadRequestError, match=r"input\[0\] has no text: give it one, or name the fields"):
            client.rerank(query=QUERY, input=[{"title": "a"}])


class TestPinecone:
    @pytest.fixture
    def client(self, server: Server) -> Pinecone:
        return Pinecone(api_key="unused", host=server.url)

    @pytest.mark.parametrize("model", RERANKERS)
    def test_rerank(self, server: Server, client: Pinecone, model: str) -> None:
        expected = scores(server, model)
        answer = client.inference.rerank(model, QUERY, TEXTS)
        assert [ranked.index for ranked in answer.data] == order_of(expected)
        for ranked in answer.data:
            assert ranked.score == pytest.approx(expected[ranked.index], abs=1e-5)
            assert ranked.document == {"text": TEXTS[ranked.index]}
        assert (answer.model, answer.usage.rerank_units) == (model, 1)

    def test_a_lone_field_is_read_by_itself(self, server: Server, client: Pinecone) -> None:
        documents = [{"id": "1", "summary": TEXTS[1]}, {"id": "2", "summary": TEXTS[0]}]
        expected = scores(server, "minilm-bi", [TEXTS[1]])
        answer = client.inference.rerank(
            "minilm-bi", QUERY, documents, rank_fields=["summary"], top_n=1, return_documents=False
        )
        assert [(ranked.index, ranked.document) for ranked in answer.data] == [(0, None)]
        assert answer.data[0].score == pytest.approx(expected[0], abs=1e-5)

    def test_truncate(self, client: Pinecone) -> None:
        assert client.inference.rerank("minilm-ce", QUERY, [LONG], parameters={"truncate": "END"}).data
        assert client.inference.embed(DEFAULT, [LONG]).data
        with pytest.raises(ApiError, match=r'shorten it, or set parameters.truncate to "END"'):
            client.inference.rerank("minilm-ce", QUERY, [LONG])
        with pytest.raises(ApiError, match=r'shorten it, or set parameters.truncate to "END"'):
            client.inference.embed(DEFAULT, [LONG], parameters={"truncate": "NONE"})

    def test_embed(self, server: Server, client: Pinecone) -> None:
        answer = client.inference.embed(DEFAULT, TEXTS, parameters={"input_type": "passage"})
        np.testing.assert_allclose([own.values for own in answer], embeddings(server, TEXTS), atol=1e-5)
        query = client.inference.embed("prompted", "cows", parameters={"input_type": "query", "dimension": 8}).data[0]
        np.testing.assert_allclose(query.values, embeddings(server, ["query: cows"], "prompted")[0][:8], atol=1e-5)

    def test_models(self, client: Pinecone) -> None:
        assert client.inference.list_models(type="rerank").names() == ["minilm-ce", "minilm-colbert", "identity"]
        assert client.inference.list_models(vector_type="sparse").names() == []
        about = client.inference.get_model(model=DEFAULT)
        assert (about.type, about.vector_type, about.default_dimension) == ("embed", "dense", 384)
        assert [own.parameter for own in about.supported_parameters] == ["input_type", "truncate", "dimension"]

    def test_errors(self, client: Pinecone) -> None:
        with pytest.raises(PineconeNotFoundError, match="The model `bge-reranker-v2-m3` does not exist"):
            client.inference.rerank("bge-reranker-v2-m3", QUERY, TEXTS)
        with pytest.raises(ApiError, match=r"parameters.max_chunks_per_doc is not known here: leave it out"):
            client.inference.rerank("minilm-ce", QUERY, TEXTS, parameters={"max_chunks_per_doc": 2})
        with pytest.raises(ApiError, match=r"parameters.input_type must be 'query' or 'passage'"):
            client.inference.embed(DEFAULT, TEXTS, parameters={"input_type": "image"})


class TestDeepInfra:
    def test_embeddings(self, server: Server) -> None:
        answer = Embeddings(f"{server.url}/v1/inference/{DEFAULT}", "unused").generate({"inputs": TEXTS})
        np.testing.assert_allclose(answer.embeddings, embeddings(server, TEXTS), atol=1e-5)
        assert answer.input_tokens == answer.inference_status["tokens_input"] > 0

    def test_an_unknown_model_with_a_slash_in_it(self, server: Server) -> None:
        with pytest.raises(DeepInfraNotFoundError, match="The model `BAAI/bge-m3` does not exist"):
            Embeddings(f"{server.url}/v1/inference/BAAI/bge-m3", "unused").generate({"inputs": TEXTS})


class TestKeys:
    @pytest.fixture
    def guarded(self, contract_artifacts: dict[str, Path]) -> Iterator[Server]:
        environment = {"SCORERT_API_KEY": "secret"}
        with Server("--model", contract_artifacts["minilm-bi"], "--threads", "1", environment=environment) as server:
            yield server

    def test_each_client_has_its_own_way_to_give_one(self, guarded: Server) -> None:
        for key in ("secret", "wrong"):
            pinecone = Pinecone(api_key=key, host=guarded.url)
            mixedbread = Mixedbread(api_key=key, base_url=guarded.url, max_retries=0)
            if key == "secret":
                assert pinecone.inference.rerank("minilm-bi", QUERY, TEXTS).data
                assert mixedbread.rerank(query=QUERY, input=TEXTS).data
            else:
                with pytest.raises(UnauthorizedError, match="The API key is not one of this server's"):
                    pinecone.inference.rerank("minilm-bi", QUERY, TEXTS)
                with pytest.raises(Exception, match="The API key is not one of this server's"):
                    mixedbread.rerank(query=QUERY, input=TEXTS)
