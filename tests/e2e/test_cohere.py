"""Cohere's API over HTTP, where its own client would not go; see `test_clients` for what it does."""

import base64
from typing import Any

import httpx
import numpy as np
import pytest
from sentence_transformers.util.quantization import quantize_embeddings

from tests.e2e.images import TEXT_ONLY
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cows eat grass.", "The capital of France is Paris.", "Berlin is a city."]
SDK = {"X-Fern-SDK-Name": "cohere-ai"}


def rerank(server: Server, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {"model": "minilm-bi", "query": QUERY, "documents": DOCUMENTS} | more
    return server.client.post(path, json=body, headers=headers)


def embed(server: Server, path: str = "/v2/embed", headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"model": "minilm-bi", "texts": DOCUMENTS} | more
    response = server.client.post(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def embeddings(server: Server, texts: list[str], **more: Any) -> np.ndarray:
    """What `/v1/embeddings` gives."""
    answer = server.client.post("/v1/embeddings", json={"model": "minilm-bi", "input": texts} | more).json()
    return np.array([item["embedding"] for item in answer["data"]], np.float32)


def refusal(response: httpx.Response) -> tuple[str, str | None]:
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    return error["message"], error["param"]


@pytest.mark.parametrize(("path", "version"), [("/rerank", "1"), ("/v1/rerank", "1"), ("/v2/rerank", "2")])
def test_the_clients_headers_tell(server: Server, path: str, version: str) -> None:
    plain = rerank(server, path).json()
    cohere = rerank(server, path, SDK).json()
    assert list(plain) == ["id", "model", "usage", "results", *(["meta"] if path != "/rerank" else [])]
    assert plain.get("meta", cohere["meta"]) == cohere["meta"]
    assert list(cohere) == ["id", "results", "meta"]
    assert cohere["meta"] == {"api_version": {"version": version}, "billed_units": {"search_units": 1}}
    for ranked, expected in zip(cohere["results"], plain["results"], strict=True):
        assert list(ranked) == ["index", "relevance_score"]
        assert ranked["index"] == expected["index"]
        assert ranked["relevance_score"] == pytest.approx(expected["relevance_score"], abs=1e-5)


@pytest.mark.parametrize("more", [{"rank_fields": ["text"]}, {"max_chunks_per_doc": 10}])
def test_fields_that_only_cohere_has_tell(server: Server, more: dict[str, Any]) -> None:
    assert list(rerank(server, "/v1/rerank", **more).json()) == ["id", "results", "meta"]


def test_fields_of_objects_are_read_as_lines(server: Server) -> None:
    document = {"author": "nobody", "title": "France", "pages": 3, "text": "Paris is large."}
    ranked = rerank(server, "/v1/rerank", documents=[document], rank_fields=["title", "isbn", "pages", "text"])
    text = "title: France\npages: 3\ntext: Paris is large."
    scored = server.client.post("/score", json={"model": "minilm-bi", "queries": QUERY, "documents": text})
    score = ranked.json()["results"][0]["relevance_score"]
    assert score == pytest.approx(scored.json()["data"][0]["score"], abs=1e-5)


@pytest.mark.parametrize(("more", "sentence"), [
    ({}, "documents[1] has no text: give it one, or name the fields to read in rank_fields."),
    ({"rank_fields": ["b"]}, "documents[1] has none of the rank_fields: name one that it has."),
])  # fmt: skip
def test_objects_without_the_fields_to_read(server: Server, more: dict[str, Any], sentence: str) -> None:
    documents = [{"text": "fine", "b": "fine"}, {"title": "no text"}]
    assert refusal(rerank(server, "/v1/rerank", SDK, documents=documents, **more)) == (sentence, "body.documents")


def test_a_search_unit_for_every_hundred_documents_begun(server: Server) -> None:
    for documents, units in ((100, 1), (101, 2)):
        answer = rerank(server, "/v2/rerank", SDK, documents=["a"] * documents, top_n=1).json()
        assert answer["meta"]["billed_units"] == {"search_units": units}
        assert len(answer["results"]) == 1


def test_long_documents_are_cut(server: Server) -> None:
    """To what the model takes, whatever Cohere's models take, and to less on request."""
    long = "Paris. " * 3000
    full, same, short = (
        rerank(server, "/v2/rerank", SDK, documents=[long], **more).json()["results"][0]["relevance_score"]
        for more in ({}, {"max_tokens_per_doc": 4096}, {"max_tokens_per_doc": 2})
    )
    assert full == pytest.approx(same, abs=1e-6)
    paris = server.client.post("/score", json={"model": "minilm-bi", "queries": QUERY, "documents": "Paris."}).json()
    assert short == pytest.approx(paris["data"][0]["score"], abs=1e-5)
    assert abs(short - full) > 1e-3


def test_every_embedding_type(server: Server) -> None:
    types = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    answer = embed(server, embedding_types=types)
    assert list(answer) == ["response_type", "id", "embeddings", "texts", "meta"]
    assert list(answer["embeddings"]) == types
    floats = np.array(answer["embeddings"]["float"], np.float32)
    np.testing.assert_allclose(floats, embeddings(server, DOCUMENTS), atol=1e-5)
    ranges = np.repeat([[-1.0], [1.0]], floats.shape[1], axis=1)
    for kind in ("int8", "uint8", "binary", "ubinary"):
        expected = quantize_embeddings(floats, kind, ranges)  # type: ignore[arg-type]
        np.testing.assert_array_equal(answer["embeddings"][kind], expected, err_msg=kind)
    decoded = [np.frombuffer(base64.b64decode(text), "<f4") for text in answer["embeddings"]["base64"]]
    np.testing.assert_array_equal(decoded, floats)


def test_input_types_choose_prompts(server: Server) -> None:
    expected = {
        "search_query": "query: ",
        "search_document": "passage: ",
        "classification": "",
        "clustering": "",
        None: "",
    }
    for input_type, prompt in expected.items():
        answer = embed(server, model="prompted", input_type=input_type)
        written_out = embeddings(server, [prompt + text for text in DOCUMENTS])
        np.testing.assert_allclose(answer["embeddings"]["float"], written_out, atol=1e-5)


@pytest.mark.parametrize("input_type", ["search_document", "search_query", "classification", "clustering"])
def test_input_types_of_a_model_without_prompts(server: Server, input_type: str) -> None:
    """Cohere's clients must send one, whichever library they have."""
    answer = embed(server, input_type=input_type)
    np.testing.assert_allclose(answer["embeddings"]["float"], embeddings(server, DOCUMENTS), atol=1e-5)
    assert answer["meta"]["billed_units"] == {"input_tokens": 22, "image_tokens": 0}
    body = {"model": "minilm-bi", "texts": ["hi"], "input_type": "nonsense"}
    sentence, _ = refusal(server.client.post("/v2/embed", json=body))
    assert sentence.startswith("Unsupported input_type 'nonsense'.")


def test_truncate_says_which_end_goes(server: Server) -> None:
    long = "cows " * 400 + "paris " * 400
    plain = {"truncate_prompt_tokens": -1}
    expected = {
        "END": embeddings(server, [long], **plain),
        "START": embeddings(server, [long], truncation_side="left", **plain),
    }
    expected[None] = expected["END"]
    for truncate, rows in expected.items():
        answer = embed(server, texts=[long], truncate=truncate)
        np.testing.assert_allclose(answer["embeddings"]["float"], rows, atol=1e-5)
        assert answer["meta"]["billed_units"] == {"input_tokens": 256, "image_tokens": 0}
    assert np.abs(expected["END"] - expected["START"]).max() > 0.01
    assert embed(server, texts=[long], max_tokens=8)["meta"]["billed_units"] == {"input_tokens": 8, "image_tokens": 0}
    refused = server.client.post("/v2/embed", json={"model": "minilm-bi", "texts": [long], "truncate": "NONE"})
    assert refusal(refused) == (
        'An input has 802 tokens, more than this model takes: shorten it, or set truncate to "END".',
        "body.truncate",
    )


def test_dimensions_of_matryoshka_models(server: Server) -> None:
    answer = embed(server, model="prompted", output_dimension=64)
    np.testing.assert_allclose(answer["embeddings"]["float"], embeddings(server, DOCUMENTS)[:, :64], atol=1e-5)
    refused = server.client.post("/v2/embed", json={"model": "minilm-bi", "texts": ["hi"], "output_dimension": 64})
    assert refused.status_code == 400


def test_version_1_gives_bare_floats(server: Server) -> None:
    answer = embed(server, "/v1/embed")
    assert list(answer) == ["response_type", "id", "embeddings", "texts", "meta"]
    assert answer["response_type"] == "embeddings_floats"
    assert answer["meta"]["api_version"] == {"version": "1"}
    assert answer["texts"] == DOCUMENTS
    np.testing.assert_allclose(answer["embeddings"], embeddings(server, DOCUMENTS), atol=1e-5)


def test_inputs_of_texts(server: Server) -> None:
    inputs = [{"content": [{"type": "text", "text": "Cows"}, {"type": "text", "text": "graze."}]}]
    answer = embed(server, texts=None, inputs=inputs)
    assert answer["texts"] == ["Cows\ngraze."]
    np.testing.assert_allclose(answer["embeddings"]["float"], embeddings(server, ["Cows\ngraze."]), atol=1e-5)
    inputs[0]["content"].append({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}})
    for body in ({"inputs": inputs}, {"images": ["data:image/png;base64,AA=="]}):
        refused = server.client.post("/v2/embed", json={"model": "minilm-bi"} | body)
        assert refusal(refused) == (TEXT_ONLY, None)
    refused = server.client.post("/v2/embed", json={"model": "minilm-bi"})
    assert refusal(refused) == ("texts is missing: give it, or images or inputs.", "body.texts")


@pytest.mark.parametrize("more", [{}, {"max_tokens_per_doc": 4096}, {"truncate_prompt_tokens": None}])
def test_long_documents_are_cut_on_the_path_of_version_2(server: Server, more: dict[str, Any]) -> None:
    """As Cohere cuts them, whichever library asks; those who say otherwise are heard."""
    long = "cows " * 600
    cut = rerank(server, "/rerank", documents=[long], truncate_prompt_tokens=-1).json()
    answer = rerank(server, "/v2/rerank", documents=[long], **more)
    assert answer.json()["results"][0]["relevance_score"] == cut["results"][0]["relevance_score"]
    sentence, _ = refusal(rerank(server, "/v2/rerank", documents=[long], truncation=False))
    assert "maximum context length" in sentence
    sentence, _ = refusal(rerank(server, "/v1/rerank", documents=[long]))
    assert "maximum context length" in sentence


def test_what_has_too_many_tokens_is_refused_where_nothing_may_be_cut(server: Server) -> None:
    body = {"model": "minilm-bi", "texts": ["hi", "many cows eat grass"], "truncate": "NONE", "max_tokens": 3}
    sentence, parameter = refusal(server.client.post("/v2/embed", json=body))
    assert sentence.startswith("An input has 6 tokens, more than max_tokens:")
    assert parameter == "body.max_tokens"
    assert server.client.post("/v2/embed", json=body | {"max_tokens": 6}).status_code == 200
