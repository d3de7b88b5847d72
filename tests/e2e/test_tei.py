"""TEI's API over HTTP."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import DEFAULT
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "What is the capital of France?"
TEXTS = ["Cows eat grass.", "The capital of France is Paris.", "Berlin is a city."]
LONG = "cows " * 600
MODELS = ["minilm-ce", "identity", "minilm-bi", "minilm-colbert"]


def post(server: Server, path: str, **body: Any) -> Any:
    response = server.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(server: Server, path: str, status: int | None = None, **body: Any) -> str:
    """A sentence in TEI's shape: what is refused is 422 where a field is not what it should be, else 413."""
    response = server.client.post(path, json=body)
    assert response.status_code in ((413, 422) if status is None else (status,)), response.text
    answer = response.json()
    assert answer["error"] == answer["message"] == answer["detail"]
    assert answer["error_type"] == {424: "Backend", 400: "Empty"}.get(status or 0, "Validation")
    return str(answer["error"])


def scores(server: Server, **body: Any) -> np.ndarray:
    """What `/score` gives."""
    answer = post(server, "/score", **{"queries": QUERY, "documents": TEXTS} | body)
    return np.array([item["score"] for item in answer["data"]])


def embeddings(server: Server, inputs: Any, **more: Any) -> np.ndarray:
    """What `/v1/embeddings` gives."""
    answer = post(server, "/v1/embeddings", **{"model": "minilm-bi", "input": inputs} | more)
    return np.array([item["embedding"] for item in answer["data"]])


@pytest.mark.parametrize("path", ["/rerank", "/"])
@pytest.mark.parametrize("model", MODELS)
def test_rerank_is_told_by_texts(server: Server, model: str, path: str) -> None:
    raw = post(server, path, model=model, query=QUERY, texts=TEXTS, raw_scores=True)
    expected = scores(server, model=model, use_activation=False)
    assert [list(rank) for rank in raw] == [["index", "score"]] * 3
    assert [rank["index"] for rank in raw] == np.argsort(-expected).tolist()
    assert [rank["score"] for rank in raw] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_only_logits_get_a_sigmoid(server: Server, model: str) -> None:
    """TEI applies it to every reranker, whatever activation the checkpoint has."""
    ranks = post(server, "/rerank", model=model, query=QUERY, texts=TEXTS, return_text=True)
    expected = scores(server, model=model, use_activation=False)
    if model in ("minilm-ce", "identity"):
        expected = 1 / (1 + np.exp(-expected))
    for rank in ranks:
        assert list(rank) == ["index", "text", "score"]
        assert rank["text"] == TEXTS[rank["index"]]
        assert rank["score"] == pytest.approx(expected[rank["index"]], abs=1e-5)


def test_long_texts_are_refused_or_cut_at_either_end(server: Server) -> None:
    long = LONG + "paris " * 600
    sentence = "An input has 1,210 tokens, more than this model takes: shorten it, or set truncate to true."
    assert refusal(server, "/rerank", model="minilm-ce", query=QUERY, texts=[long], truncate=False) == sentence
    cut = post(server, "/rerank", model="minilm-ce", query=QUERY, texts=[long], truncate=True)
    for unsaid in ({}, {"truncate": None}):
        assert post(server, "/rerank", model="minilm-ce", query=QUERY, texts=[long], **unsaid) == cut
    for truncation_direction in ("left", "right", "Left", "Right"):
        body = {"texts": [long], "truncate": True, "truncation_direction": truncation_direction}
        (rank,) = post(server, "/rerank", model="minilm-ce", query=QUERY, **body)
        cut = {"truncate_prompt_tokens": -1, "truncation_side": truncation_direction.lower()}
        (expected,) = scores(server, model="minilm-ce", documents=long, **cut)
        assert rank["score"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("model", ["minilm-ce", "identity"])
@pytest.mark.parametrize("path", ["/predict", "/"])
def test_predict_takes_texts_and_pairs(server: Server, model: str, path: str) -> None:
    alone = post(server, "/classify", model="minilm-ce", input=TEXTS)["data"]
    texts = [item["probs"][0] for item in alone]
    pairs = scores(server, model="minilm-ce").tolist()
    cases = {
        "a text": (TEXTS[0], texts[0]),
        "a list of one": ([TEXTS[0]], texts[0]),
        "a pair": ([QUERY, TEXTS[0]], pairs[0]),
        "texts": ([[text] for text in TEXTS], texts),
        "pairs": ([[QUERY, text] for text in TEXTS], pairs),
    }
    for name, (inputs, expected) in cases.items():
        answer = post(server, path, model=model, inputs=inputs)
        batch = isinstance(expected, list)
        for (prediction,), score in zip(answer if batch else [answer], expected if batch else [expected], strict=True):
            assert prediction == {"score": pytest.approx(score, abs=1e-5), "label": "LABEL_0"}, name


def test_predict_gives_logits_on_request(server: Server) -> None:
    expected = scores(server, model="minilm-ce", use_activation=False)[1]
    for more in ({"raw_scores": True}, {"parameters": {"function_to_apply": "none"}}):
        answer = post(server, "/predict", model="minilm-ce", inputs=[[QUERY, TEXTS[1]]], **more)
        assert answer[0][0]["score"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("inputs", [[], ["a", "b", "c"], [[]], [["a", "b", "c"]], [["a"], ["a", "b"]], ["a", ["b"]]])
def test_predict_refuses_what_is_neither_texts_nor_pairs(server: Server, inputs: Any) -> None:
    assert refusal(server, "/predict", model="minilm-ce", inputs=inputs).startswith("inputs must be a text, a pair ")


@pytest.mark.parametrize("path", ["/embed", "/"])
def test_embed(server: Server, path: str) -> None:
    ids = [101, 2023, 102]
    for inputs in ("one", TEXTS, ids, [ids, [101, 102]]):
        answer = post(server, path, model="minilm-bi", inputs=inputs)
        np.testing.assert_allclose(answer, embeddings(server, inputs), atol=1e-5)
    for said in ({}, {"truncate": True}):
        answer = post(server, path, model="minilm-bi", inputs=[LONG], **said)
        np.testing.assert_allclose(answer, embeddings(server, [LONG], truncate_prompt_tokens=-1), atol=1e-5)
    assert refusal(server, path, model="minilm-bi", inputs=["one", 2]).startswith("inputs must be a string, a list")
    refused = refusal(server, path, model="minilm-bi", inputs=LONG, truncate=False)
    assert refused.endswith("or set truncate to true.")


def test_the_other_habit(contract_artifacts: dict[str, Path]) -> None:
    with Server("--model", contract_artifacts["minilm-bi"], "--no-auto-truncate") as server:
        assert server.client.get("/info").json()["auto_truncate"] is False
        assert refusal(server, "/embed", inputs=LONG).endswith("or set truncate to true.")
        assert len(post(server, "/embed", inputs=LONG, truncate=True)) == 1


def test_prompt_names(server: Server) -> None:
    for prompt_name, prompt in (("query", "query: "), ("document", "passage: "), ("passage", "passage: "), (None, "")):
        answer = post(server, "/embed", model="prompted", inputs=TEXTS, prompt_name=prompt_name)
        np.testing.assert_allclose(answer, embeddings(server, [prompt + text for text in TEXTS]), atol=1e-5)
        inputs = {"source_sentence": QUERY, "sentences": TEXTS}
        alike = post(server, "/similarity", model="prompted", inputs=inputs, parameters={"prompt_name": prompt_name})
        source, *rows = embeddings(server, [prompt + text for text in (QUERY, *TEXTS)])
        assert alike == pytest.approx([source @ row for row in rows], abs=1e-5)
    sentence = "prompt_name must be 'query', 'document' or 'passage'."
    assert refusal(server, "/embed", model="prompted", inputs=TEXTS, prompt_name="sts") == sentence


def test_normalize(server: Server) -> None:
    """A cut embedding is not of length 1 unless somebody makes it so."""
    cut = np.array(post(server, "/embed", model="prompted", inputs=TEXTS, dimensions=64, normalize=False))
    unit = np.array(post(server, "/embed", model="prompted", inputs=TEXTS, dimensions=64))
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    assert lengths.max() < 0.9
    np.testing.assert_allclose(unit, cut / lengths, atol=1e-5)
    own = post(server, "/embed", model="minilm-bi", inputs=TEXTS, normalize=False)
    assert own == post(server, "/embed", model="minilm-bi", inputs=TEXTS), "the model makes them so itself"


@pytest.mark.parametrize("path", ["/embed_all", "/"])
def test_embed_all(server: Server, path: str) -> None:
    answer = post(server, path, model="minilm-colbert", inputs=TEXTS)
    pooled = post(server, "/pooling", model="minilm-colbert", input=TEXTS)["data"]
    for rows, item in zip(answer, pooled, strict=True):
        np.testing.assert_allclose(rows, item["data"], atol=1e-5)
    assert "is a bi-encoder model" in refusal(server, "/embed_all", 424, model="minilm-bi", inputs=TEXTS)


@pytest.mark.parametrize("path", ["/similarity", "/"])
def test_similarity(server: Server, path: str) -> None:
    inputs = {"source_sentence": QUERY, "sentences": TEXTS}
    expected = scores(server, model="minilm-bi")
    assert post(server, path, model="minilm-bi", inputs=inputs) == pytest.approx(expected, abs=1e-5)
    nothing = {"source_sentence": QUERY, "sentences": []}
    assert refusal(server, path, 400, model="minilm-bi", inputs=nothing).startswith("inputs.sentences is empty")
    inputs["sentences"] = [LONG]
    refused = refusal(server, path, model="minilm-bi", inputs=inputs, parameters={"truncate": False})
    assert refused.endswith("or set parameters.truncate to true.")
    for parameters in ({"truncate": True}, {}, None):
        assert len(post(server, path, model="minilm-bi", inputs=inputs, parameters=parameters)) == 1
    assert "is a cross-encoder model" in refusal(server, path, 424, model="minilm-ce", inputs=inputs)


def test_tokenize_and_decode(server: Server) -> None:
    texts = ["Unbelievable café!", "Hi"]
    tokens = post(server, "/tokenize", inputs=texts)
    for text, own in zip(texts, tokens, strict=True):
        first, *inner, last = own
        assert first == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
        assert last == {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None}
        assert all(token["text"] == text[token["start"] : token["stop"]] for token in inner)
        assert "".join(token["text"] for token in inner) == text.replace(" ", "")
        assert [token["id"] for token in own] == post(server, "/tokenize", prompt=text)["tokens"]
    assert post(server, "/tokenize", inputs="Hi") == [tokens[1]]
    assert post(server, "/tokenize", inputs="Hi", add_special_tokens=False) == [tokens[1][1:-1]]
    ids = [[token["id"] for token in own] for own in tokens]
    assert post(server, "/decode", ids=ids) == ["unbelievable cafe!", "hi"]
    assert post(server, "/decode", ids=ids[1]) == ["hi"]
    assert post(server, "/decode", ids=ids[1], skip_special_tokens=False) == ["[CLS] hi [SEP]"]
    assert refusal(server, "/decode", ids=[1, [2]]) == "ids must be a list of token ids, or a list of such lists."


def info(server: Server, **parameters: str) -> httpx.Response:
    return server.client.get("/info", params=parameters)


def test_info(server: Server) -> None:
    default = info(server).json()
    assert default["model_id"] == DEFAULT
    assert default["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (default["model_dtype"], default["max_input_length"], default["auto_truncate"]) == ("int8", 256, True)
    reranker = info(server, model="minilm-ce").json()
    assert reranker["model_id"] == "minilm-ce"
    assert reranker["model_type"] == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    assert (reranker["model_dtype"], reranker["max_input_length"]) == ("float32", 512)
    assert info(server, model="minilm-colbert").json()["model_type"] == {"embedding": {"pooling": None}}
    assert info(server, model="nope").status_code == 404
    listed = [model["id"] for model in server.client.get("/v1/models").json()["data"]]
    assert [model["name"] for model in default["models"]] == listed
    assert default["models"][1] == {
        "name": "minilm-ce",
        "score_type": "cross-encoder",
        "architecture": "BertForSequenceClassification",
        "precision": "fp32",
        "provider": "cpu",
        "max_length": 512,
        "modalities": ["text"],
    }


def test_limits_in_info_are_those_of_requests(server: Server) -> None:
    most = info(server).json()["max_client_batch_size"]
    too_many = ["a"] * (most + 1)
    assert f"more than the {most:,} of one request" in refusal(server, "/embed", inputs=too_many)


@pytest.mark.parametrize(
    ("path", "body", "status", "error_type"),
    [
        ("/embed", b'{"inputs": "a", "normalize": 3}', 422, "Validation"),
        ("/embed", b'{"input": "a"}', 422, "Validation"),
        ("/embed", b'{"inputs": ', 400, "Validation"),
        ("/embed", b"", 400, "Validation"),
        ("/embed", b'{"inputs": []}', 400, "Empty"),
        ("/embed", b'{"inputs": [99999999]}', 413, "Validation"),
        ("/embed", b'{"inputs": "a", "model": "minilm-ce"}', 424, "Backend"),
        ("/embed", b'{"inputs": "a", "model": "nope"}', 404, "Validation"),
        ("/predict", b'{"inputs": ["a", ["b"]], "model": "minilm-ce"}', 422, "Validation"),
        ("/rerank", b'{"query": "a", "texts": []}', 400, "Empty"),
        ("/rerank", b'{"query": "a", "texts": [1]}', 422, "Validation"),
        ("/", b'{"inputs": []}', 400, "Empty"),
        ("/decode", b'{"ids": [1, [2]]}', 422, "Validation"),
        ("/info?model=nope", None, 404, "Validation"),
    ],
)
def test_errors_have_teis_shape_where_the_body_was_teis(
    server: Server, path: str, body: bytes | None, status: int, error_type: str
) -> None:
    headers = {"content-type": "application/json"}
    response = server.client.request("GET" if body is None else "POST", path, content=body, headers=headers)
    answer = response.json()
    assert list(answer) == ["error", "error_type", "message", "detail", "request_id"]
    assert (response.status_code, answer["error_type"]) == (status, error_type), answer
    assert answer["error"] == answer["message"] == answer["detail"]


def test_errors_on_shared_paths_have_the_shape_of_their_dialect(server: Server) -> None:
    for path, body in (("/rerank", {"query": "a", "documents": [1]}), ("/tokenize", {"prompt": 1})):
        response = server.client.post(path, json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, 400)
    assert server.client.post("/rerank", json={"query": "a", "texts": 1}).json()["error_type"] == "Validation"


def test_an_overloaded_server_is_429_to_teis_clients(contract_artifacts: dict[str, Path]) -> None:
    options = ("--max-concurrent-requests", "1", "--threads", "1")
    with Server("--model", contract_artifacts["minilm-bi"], *options) as busy:
        address = busy.client.base_url
        half = b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        with ExitStack() as slow:
            # Either comes first, and then the other is refused; one that takes its time stays.
            for _ in range(50):
                connection = slow.enter_context(socket.create_connection((address.host, address.port)))
                connection.sendall(half)
                answer = busy.client.post("/embed", json={"inputs": "a"})
                if answer.status_code != 200:
                    break
        assert answer.status_code == 429
        assert answer.json()["error_type"] == "Overloaded"
        assert answer.headers["retry-after"] == "1"
