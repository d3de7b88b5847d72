"""Images over HTTP as the clients of Cohere, Voyage and NVIDIA send them, held against the engine's own calls."""

import base64
from typing import Any

import cohere
import numpy as np
import pytest

from engine import Engine, Text
from tests.e2e.images import DATA, FIRST, SECOND, URLS, refusal
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUERY = "Which page is it?"
INFO = [
    {"width": 112, "height": 84, "format": "png", "bit_depth": 24},
    {"width": 96, "height": 64, "format": "jpeg", "bit_depth": 24},
]


def answered(server: Server, path: str, **body: Any) -> Any:
    response = server.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


class TestCohere:
    @pytest.mark.parametrize("client", [cohere.Client, cohere.ClientV2])
    def test_rerank(self, image_server: Server, engines: dict[str, Engine], client: Any) -> None:
        parts = [{"type": "image_url", "image_url": {"url": URLS[1]}}, {"type": "text", "text": "a page"}]
        documents = ["a page", {"text": "a page"}, {"text": "a page", "image": DATA[0]}, {"content": parts}]
        answer = client("unused", base_url=image_server.url).rerank(model="m0", query=QUERY, documents=documents)
        contents: list[Any] = ["a page", "a page", [FIRST, Text("a page")], [SECOND, Text("a page")]]
        expected = engines["m0"].score(QUERY, contents).scores
        assert len(set(expected.round(4))) == 3
        scores = {result.index: result.relevance_score for result in answer.results}
        np.testing.assert_allclose([scores[index] for index in range(4)], expected, atol=1e-5)

    @pytest.mark.parametrize(("rank_fields", "content"), [
        (["image"], [FIRST]),
        (["title", "image"], [FIRST, Text("title: a page")]),
        (["title", "text"], "title: a page\ntext: nothing"),
    ])  # fmt: skip
    def test_rank_fields(
        self, image_server: Server, engines: dict[str, Engine], rank_fields: list[str], content: Any
    ) -> None:
        body = {"model": "m0", "query": QUERY, "rank_fields": rank_fields}
        document = {"text": "nothing", "title": "a page", "image": URLS[0]}
        answer = answered(image_server, "/v1/rerank", **body, documents=[document])
        score = engines["m0"].score(QUERY, [content]).scores[0]
        assert answer["results"][0]["relevance_score"] == pytest.approx(score, abs=1e-5)

    @pytest.mark.parametrize("document", [{"image": 3}, {"text": 3, "image": URLS[0]}, {"text": "a", "content": []}])
    def test_documents_that_are_wrong(self, image_server: Server, document: dict[str, Any]) -> None:
        body = {"model": "m0", "query": QUERY, "documents": ["a", document], "max_chunks_per_doc": 1}
        sentence, parameter = refusal(image_server.client.post("/v1/rerank", json=body))
        assert (sentence[:29], parameter) == ("documents[1] must have a text", "body.documents")

    @pytest.mark.parametrize("client", [cohere.Client, cohere.ClientV2])
    def test_images(self, image_server: Server, engines: dict[str, Engine], client: Any) -> None:
        answer = client("unused", base_url=image_server.url).embed(
            model="clip", images=URLS[:1], input_type="image", embedding_types=["float", "int8"]
        )
        expected = engines["clip"].embed([FIRST]).embeddings
        np.testing.assert_allclose(answer.embeddings.float_, expected, atol=1e-5)
        assert np.array(answer.embeddings.int8).shape == expected.shape
        assert answer.texts == []
        assert [image.dict() for image in answer.images] == INFO[:1]
        assert answer.meta.billed_units.images == 1

    def test_several_images_without_a_client(self, image_server: Server, engines: dict[str, Engine]) -> None:
        answer = answered(image_server, "/v1/embed", model="clip", images=URLS, input_type="image")
        assert list(answer) == ["response_type", "id", "embeddings", "texts", "images", "meta"]
        np.testing.assert_allclose(answer["embeddings"], engines["clip"].embed([FIRST, SECOND]).embeddings, atol=1e-5)
        assert answer["images"] == INFO
        assert answer["meta"]["billed_units"] == {"images": 2, "input_tokens": 2}

    def test_texts_and_images_together(self, image_server: Server, engines: dict[str, Engine]) -> None:
        content: list[Any] = [{"type": "text", "text": "a page"}, {"type": "image_url", "image_url": {"url": URLS[1]}}]
        answer = cohere.ClientV2("unused", base_url=image_server.url).embed(
            model="qwen3",
            inputs=[{"content": content}, {"content": content[:1]}],
            input_type="search_document",
            embedding_types=["float"],
        )
        expected = engines["qwen3"].embed([[SECOND, Text("a page")], "a page"]).embeddings
        np.testing.assert_allclose(answer.embeddings.float_, expected, atol=1e-5)
        assert answer.texts == ["a page", "a page"]
        assert [image.dict() for image in answer.images or []] == INFO[1:]

    def test_bedrocks_spelling(self, image_server: Server, engines: dict[str, Engine]) -> None:
        inputs = [{"content": [{"type": "image_url", "image_url": URLS[0]}]}]
        answer = answered(image_server, "/v2/embed", model="clip", inputs=inputs, embedding_types=["float"])
        np.testing.assert_allclose(answer["embeddings"]["float"], engines["clip"].embed([FIRST]).embeddings, atol=1e-5)

    @pytest.mark.parametrize(("given", "sentence"), [
        ({}, "texts is missing: give it, or images or inputs."),
        ({"texts": ["a"], "images": URLS}, "texts and images are given: send one of them."),
        ({"images": URLS, "inputs": []}, "images and inputs are given: send one of them."),
    ])  # fmt: skip
    def test_one_of_the_three(self, image_server: Server, given: dict[str, Any], sentence: str) -> None:
        assert refusal(image_server.client.post("/v2/embed", json={"model": "clip"} | given))[0] == sentence


class TestVoyage:
    def test_contents(self, image_server: Server, engines: dict[str, Engine]) -> None:
        inputs = [
            {"content": [{"type": "text", "text": "a page"}, {"type": "image_base64", "image_base64": URLS[0]}]},
            {"content": [{"type": "image_url", "image_url": URLS[1]}]},
            {"content": [{"type": "text", "text": "green"}]},
        ]
        answer = answered(image_server, "/v1/multimodalembeddings", model="qwen3", inputs=inputs, input_type="query")
        expected = engines["qwen3"].embed([[FIRST, Text("a page")], SECOND, "green"], role="query")
        assert list(answer) == ["object", "data", "model", "usage"]
        assert [list(item) for item in answer["data"]] == [["object", "embedding", "index"]] * 3
        assert [(item["object"], item["index"]) for item in answer["data"]] == [("embedding", n) for n in range(3)]
        np.testing.assert_allclose([item["embedding"] for item in answer["data"]], expected.embeddings, atol=1e-5)
        words = len(engines["qwen3"].tokenize("a page", add_special_tokens=False))
        assert answer["usage"] == {
            "text_tokens": words + expected.tokens[2],
            "image_pixels": 112 * 84 + 96 * 64,
            "video_pixels": 0,
            "total_tokens": sum(expected.tokens),
        }

    @pytest.mark.parametrize("whole", [True, False])
    def test_base64(self, image_server: Server, engines: dict[str, Engine], whole: bool) -> None:
        image = URLS[1] if whole else URLS[1].partition(",")[2]
        inputs = [{"content": [{"type": "image_base64", "image_base64": image}]}]
        answer = answered(
            image_server, "/v1/multimodalembeddings", model="clip", inputs=inputs, output_encoding="base64"
        )
        row = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), "<f4")
        np.testing.assert_allclose(row, engines["clip"].embed([SECOND]).embeddings[0], atol=1e-5)
        assert answer["usage"] == {"text_tokens": 0, "image_pixels": 96 * 64, "video_pixels": 0, "total_tokens": 1}

    def test_long_texts_are_cut_unless_told(self, image_server: Server, engines: dict[str, Engine]) -> None:
        long = "a page " * 200
        body: dict[str, Any] = {"model": "clip", "inputs": [{"content": [{"type": "text", "text": long}]}]}
        answer = answered(image_server, "/v1/multimodalembeddings", **body)
        expected = engines["clip"].embed([long], role=None, truncate_prompt_tokens=-1).embeddings
        np.testing.assert_allclose(answer["data"][0]["embedding"], expected[0], atol=1e-5)
        response = image_server.client.post("/v1/multimodalembeddings", json=body | {"truncation": False})
        sentence, parameter = refusal(response)
        assert sentence.endswith("shorten it, or set truncation to true.")
        assert parameter == "body.truncation"

    @pytest.mark.parametrize(("content", "sentence"), [
        ([{"type": "video_url", "video_url": "https://a.example/b.mp4"}], "Video parts are not read yet: "),
        ([{"type": "sound"}], "inputs[0].content[0] must be of type text, image_url or image_base64, not 'sound'."),
        ([{"type": "image_url", "text": "a"}], "inputs[0].content[0] must have image_url, being of type image_url."),
        ([], "inputs[0].content "),
    ])  # fmt: skip
    def test_parts_that_are_wrong(self, image_server: Server, content: list[Any], sentence: str) -> None:
        body = {"model": "clip", "inputs": [{"content": content}]}
        assert refusal(image_server.client.post("/v1/multimodalembeddings", json=body))[0].startswith(sentence)


class TestNvidia:
    @pytest.mark.parametrize("model", ["m0", "colqwen3"])
    def test_rankings(self, image_server: Server, engines: dict[str, Engine], model: str) -> None:
        passages = [{"text": "a red square"}, {"image": URLS[0]}, {"text": "noise", "image": DATA[1]}]
        answer = answered(
            image_server, "/v1/ranking", model=model, query={"text": "red"}, passages=passages, truncate="END"
        )
        expected = engines[model].rerank(
            "red", ["a red square", FIRST, [SECOND, Text("noise")]], use_activation=False
        )  # fmt: skip
        assert [rank["index"] for rank in answer["rankings"]] == [ranked.index for ranked in expected.results]
        np.testing.assert_allclose(
            [rank["logit"] for rank in answer["rankings"]], [ranked.score for ranked in expected.results], atol=1e-4
        )
        assert answer["usage"] == {"prompt_tokens": expected.tokens, "total_tokens": expected.tokens}

    def test_long_passages(self, image_server: Server) -> None:
        body: dict[str, Any] = {"model": "minilm-bi", "query": {"text": "a"}, "passages": [{"text": "cows " * 600}]}
        for truncate in ({}, {"truncate": "NONE"}):
            sentence, parameter = refusal(image_server.client.post("/v1/ranking", json=body | truncate))
            assert sentence.endswith('shorten it, or set truncate to "END".')
            assert parameter == "body.truncate"
        assert answered(image_server, "/v1/ranking", **body, truncate="END")["rankings"][0]["index"] == 0

    def test_a_passage_of_nothing(self, image_server: Server) -> None:
        body = {"model": "m0", "query": {"text": "a"}, "passages": [{}]}
        sentence, _ = refusal(image_server.client.post("/v1/ranking", json=body))
        assert sentence == "passages[0] must have text or image."


@pytest.mark.parametrize("path", ["/embed", "/rerank", "/predict"])
def test_teis_inputs_are_texts(image_server: Server, path: str) -> None:
    name = "texts" if path == "/rerank" else "inputs"
    body = {"model": "m0" if path == "/predict" else "clip", "query": "a", name: [{"image": URLS[0]}]}
    response = image_server.client.post(path, json=body)
    assert response.status_code == 422, response.text
    assert response.json()["error"].startswith(f"{name}[0] must be ")
