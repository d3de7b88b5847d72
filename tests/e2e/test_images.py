"""Images over HTTP in the dialects of vLLM, OpenAI, Jina, infinity and ScoreRT, held against the engine's own calls.

What vLLM answers is replayed in `tests/contract`; other clients' dialects are in `test_image_clients`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from engine import Content, Engine, Role, Text
from tests.e2e.images import DATA, FIRST, MODELS, SECOND, TEXT_ONLY, URLS, refusal
from tests.e2e.server import ROOT, Server

pytestmark = pytest.mark.slow

QUERY = "a red square"


def part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def ask(server: Server, path: str, model: str, **body: Any) -> Any:
    response = server.client.post(path, json={"model": model} | body)
    assert response.status_code == 200, response.text
    return response.json()


def embedded(server: Server, model: str, path: str = "/v1/embeddings", **body: Any) -> np.ndarray:
    return np.array([item["embedding"] for item in ask(server, path, model, **body)["data"]], np.float32)


class TestEmbeddings:
    def test_contents_stand_among_texts_and_tokens(self, image_server: Server, engines: dict[str, Engine]) -> None:
        tokens = [3, 4, 5]
        inputs = [QUERY, {"content": [part(URLS[0])]}, tokens, {"image": URLS[1]}, {"image": DATA[0]}, {"text": "a"}]
        expected = engines["clip"].embed([QUERY, FIRST, tokens, SECOND, FIRST, "a"], role=None)
        answer = ask(image_server, "/v1/embeddings", "clip", input=inputs)
        np.testing.assert_allclose([item["embedding"] for item in answer["data"]], expected.embeddings, atol=1e-5)
        assert answer["usage"]["prompt_tokens"] == sum(expected.tokens)

    def test_a_lone_content(self, image_server: Server, engines: dict[str, Engine]) -> None:
        content = {"content": [said("a page"), part(URLS[0]), said("of two"), part(URLS[1])]}
        expected = engines["qwen3"].embed([[FIRST, SECOND, Text("a page\nof two")]], role=None)
        np.testing.assert_allclose(
            embedded(image_server, "qwen3", input=content), expected.embeddings, atol=1e-5
        )  # fmt: skip

    @pytest.mark.parametrize(("more", "role"), [({}, "document"), ({"input_type": "query"}, "query")])
    def test_messages_are_one_input(
        self, image_server: Server, engines: dict[str, Engine], more: dict[str, Any], role: Role
    ) -> None:
        user = {"role": "user", "content": [part(URLS[0]), said("a page")]}
        expected = engines["qwen3"].embed([[FIRST, Text("a page")]], role=role).embeddings
        np.testing.assert_allclose(embedded(image_server, "qwen3", messages=[user], **more), expected, atol=1e-5)

    def test_a_system_message_is_the_instruction(self, image_server: Server, engines: dict[str, Engine]) -> None:
        system = {"role": "system", "content": [said("Find the colour.")]}
        for content, asked in (("green", "green"), ([part(URLS[1])], SECOND)):
            messages = [system, {"role": "user", "content": content}, {"role": "assistant", "content": ""}]
            plain, instructed = (
                engines["qwen3"].embed([asked], instruction=instruction).embeddings
                for instruction in (None, "Find the colour.")
            )
            answer = embedded(image_server, "qwen3", messages=messages)
            np.testing.assert_allclose(answer, instructed, atol=1e-5)
            assert np.abs(plain - instructed).max() > 1e-3

    @pytest.mark.parametrize("messages", [
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}],
        [{"role": "system", "content": [part(URLS[0])]}, {"role": "user", "content": "a"}],
        [{"role": "assistant", "content": ""}],
    ])  # fmt: skip
    def test_messages_that_are_no_input(self, image_server: Server, messages: list[Any]) -> None:
        response = image_server.client.post("/v1/embeddings", json={"model": "qwen3", "messages": messages})
        sentence, parameter = refusal(response)
        assert sentence.startswith("messages must be one user message, ")
        assert parameter == "body.messages"

    def test_jinas_tasks_choose_prompts(self, image_server: Server) -> None:
        tasks: dict[str | None, str | None] = {
            "retrieval.query": "query",
            "retrieval.passage": "document",
            "text-matching": None,
        }
        for task, input_type in tasks.items():
            np.testing.assert_allclose(
                embedded(image_server, "qwen3", input=[{"text": "a"}], task=task),
                embedded(image_server, "qwen3", input="a", input_type=input_type),
                atol=1e-6,
            )
        body = {"model": "qwen3", "input": "a", "return_multivector": True}
        sentence, parameter = refusal(image_server.client.post("/v1/embeddings", json=body))
        assert "late-interaction" in sentence
        assert parameter == "body.return_multivector"

    def test_infinitys_modality(self, image_server: Server, engines: dict[str, Engine]) -> None:
        client = openai.OpenAI(api_key="unused", base_url=image_server.url, max_retries=0)
        expected = engines["clip"].embed([FIRST, SECOND], role=None).embeddings
        for inputs, rows in ((URLS, expected), (URLS[0], expected[:1]), (DATA, expected)):
            answer = client.embeddings.create(model="clip", input=inputs, extra_body={"modality": "image"})
            np.testing.assert_allclose([item.embedding for item in answer.data], rows, atol=1e-5)
        answer = client.embeddings.create(model="clip", input=["a"], extra_body={"modality": "text"})
        np.testing.assert_allclose(answer.data[0].embedding, embedded(image_server, "clip", input="a")[0], atol=1e-6)
        with pytest.raises(openai.BadRequestError, match="modality must be 'text' or 'image'"):
            client.embeddings.create(model="clip", input="a", extra_body={"modality": "audio"})

    def test_two_things_at_once_for_a_model_of_one(self, image_server: Server) -> None:
        body = {"model": "clip", "input": {"image": URLS[0], "text": "a"}}
        assert "one text or one picture at a time" in refusal(image_server.client.post("/v1/embeddings", json=body))[0]


class TestPooling:
    def test_token_embeddings_of_pages(self, image_server: Server, engines: dict[str, Engine]) -> None:
        expected = engines["colqwen3"].embed_tokens([FIRST, "a"])
        answer = ask(image_server, "/pooling", "colqwen3", input=[{"image": URLS[0]}, "a"])
        for pooled, rows in zip(answer["data"], expected.embeddings, strict=True):
            np.testing.assert_allclose(pooled["data"], rows, atol=1e-5)
        assert answer["usage"]["prompt_tokens"] == sum(expected.tokens)

    @pytest.mark.parametrize("path", ["/pooling", "/invocations"])
    def test_messages(self, image_server: Server, engines: dict[str, Engine], path: str) -> None:
        user = {"role": "user", "content": [part(URLS[0]), said("a page")]}
        (expected,) = engines["colqwen3"].embed_tokens([[FIRST, Text("a page")]]).embeddings
        answer = ask(image_server, path, "colqwen3", messages=[user])
        np.testing.assert_allclose(answer["data"][0]["data"], expected, atol=1e-5)
        body = {"model": "colqwen3", "messages": [{"role": "system", "content": "b"}, user]}
        assert refusal(image_server.client.post(path, json=body))[0].startswith("Only a bi-encoder's input has an inst")

    def test_invocations_answer_by_the_score_type(self, image_server: Server, engines: dict[str, Engine]) -> None:
        messages = [{"role": "user", "content": [part(URLS[0])]}]
        np.testing.assert_allclose(
            embedded(image_server, "clip", "/invocations", messages=messages),
            engines["clip"].embed([FIRST], role=None).embeddings,
            atol=1e-5,
        )

    @pytest.mark.parametrize("path", ["/classify", "/pooling", "/invocations"])
    def test_images_have_no_class(self, image_server: Server, path: str) -> None:
        response = image_server.client.post(path, json={"model": "m0", "input": [{"image": URLS[0]}]})
        assert refusal(response)[0].startswith("A picture is scored with a query and not by itself")


class TestScoring:
    def test_images_on_both_sides(self, image_server: Server, engines: dict[str, Engine]) -> None:
        queries: list[Content] = [FIRST, QUERY]
        documents: list[Content] = [[SECOND, Text("a page")], FIRST]
        body = {
            "queries": [{"image": URLS[0]}, QUERY],
            "documents": [{"content": [said("a page"), part(URLS[1])]}, {"content": [part(URLS[0])]}],
        }
        for model in ("m0", "colqwen3"):
            expected = engines[model].score(queries, documents)
            answer = ask(image_server, "/score", model, **body)
            np.testing.assert_allclose([score["score"] for score in answer["data"]], expected.scores, atol=1e-5)
            assert answer["usage"]["prompt_tokens"] == expected.tokens

    def test_two_images_of_a_document_in_order(self, image_server: Server, engines: dict[str, Engine]) -> None:
        """vLLM gives jina-reranker-m0 the second first."""
        pairs = [[FIRST, SECOND], [SECOND, FIRST]]
        expected = engines["m0"].score([QUERY], [[*pair, Text("")] for pair in pairs]).scores
        documents = [{"content": [part(URLS[0]), part(URLS[1])]}, {"content": [part(URLS[1]), part(URLS[0])]}]
        answer = ask(image_server, "/score", "m0", queries=QUERY, documents=documents)
        np.testing.assert_allclose([score["score"] for score in answer["data"]], expected, atol=1e-5)
        assert abs(expected[0] - expected[1]) > 1e-3

    def test_documents_come_back_as_they_were_sent(self, image_server: Server) -> None:
        mixed = [said("a page"), {"type": "image_url", "image_url": {"url": URLS[0], "detail": "low"}, "uuid": "7"}]
        documents = [{"content": mixed}, {"image": DATA[1]}, {"image": URLS[0], "text": "b"}, {"text": "c"}, "d"]
        answer = ask(image_server, "/rerank", "m0", query={"image": URLS[1]}, documents=documents)
        returned = {result["index"]: result["document"] for result in answer["results"]}
        assert [returned[index] for index in range(5)] == [
            {"text": None, "multi_modal": mixed},
            {"text": None, "multi_modal": None, "image": DATA[1]},
            {"text": "b", "multi_modal": None, "image": URLS[0]},
            {"text": "c", "multi_modal": None},
            {"text": "d", "multi_modal": None},
        ]

    def test_which_token_matched_which_of_a_page(self, image_server: Server, engines: dict[str, Engine]) -> None:
        answer = ask(image_server, "/token_similarity", "colqwen3", query=QUERY, document={"image": URLS[0]})
        assert answer["score"] == pytest.approx(engines["colqwen3"].compare_tokens(QUERY, FIRST).score, abs=1e-4)

    @pytest.mark.parametrize(("document", "sentence"), [
        ({"content": [{"type": "video_url", "video_url": {"url": URLS[0]}}]}, "Video parts are not read yet: "),
        ({"content": [{"type": "input_audio", "input_audio": {}}]}, "Audio parts are not read yet: "),
        ({"image": "https://images.example/a.png"}, "The image at this URL could not be fetched: "),
        ({"image": "not base64"}, "The image's base64 cannot be read: "),
    ])  # fmt: skip
    def test_what_is_not_read(self, image_server: Server, document: Any, sentence: str) -> None:
        body = {"model": "m0", "queries": QUERY, "documents": document}
        assert refusal(image_server.client.post("/score", json=body))[0].startswith(sentence)

    @pytest.mark.parametrize(("path", "body"), [
        ("/score", {"queries": QUERY, "documents": {"image": URLS[0]}}),
        ("/v1/embeddings", {"input": {"image": URLS[0]}}),
        ("/embeddings", {"input": URLS[0], "modality": "image"}),
        ("/pooling", {"messages": [{"role": "user", "content": [part(URLS[0])]}]}),
        ("/v2/embed", {"images": URLS}),
        ("/v1/multimodalembeddings", {"inputs": [{"content": [{"type": "image_base64", "image_base64": URLS[0]}]}]}),
        ("/v1/ranking", {"query": {"text": "a"}, "passages": [{"image": URLS[0]}]}),
    ])  # fmt: skip
    def test_a_model_of_texts(self, image_server: Server, path: str, body: dict[str, Any]) -> None:
        response = image_server.client.post(path, json={"model": "minilm-bi"} | body)
        assert refusal(response) == (TEXT_ONLY, None)

    def test_a_query_of_nvidias_is_text(self, image_server: Server) -> None:
        body = {"query": {"text": "a", "image": URLS[0]}, "passages": [{"text": "b"}]}
        sentence, parameter = refusal(image_server.client.post("/v1/ranking", json={"model": "m0"} | body))
        assert sentence == "query must be text alone: send images as passages."
        assert parameter == "body.query"

    def test_arguments_of_processors(self, image_server: Server) -> None:
        for name in ("mm_processor_kwargs", "media_io_kwargs"):
            for path, body in (("/score", {"queries": "a", "documents": "b"}), ("/pooling", {"input": "a"})):
                sentence, parameter = refusal(
                    image_server.client.post(path, json={"model": "m0", name: {"max_pixels": 1}} | body)
                )
                assert sentence.startswith(f"Per-request {name} are disabled")
                assert parameter == name
                assert ask(image_server, path, "m0", **{name: None}, **body)


class TestIndex:
    @pytest.fixture(scope="class")
    def indexed(self, image_artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("index")
        lines = [json.dumps({"id": text, "text": text}) for text in ("red", "green", "blue")]
        (folder / "docs.jsonl").write_text("\n".join(lines))
        command = [sys.executable, "-m", "engine", "index", image_artifacts["clip"], folder / "docs.jsonl"]
        options = ["--output", folder / "clip", "--store", "float32", "--threads", "1"]
        subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)
        with Server("--model", image_artifacts["clip"], "--index", folder / "clip", "--threads", "1") as server:
            yield server

    def test_a_picture_asks_for_documents(self, indexed: Server, engines: dict[str, Engine]) -> None:
        body = {"query": {"image": URLS[0]}, "document_ids": ["red", "green", "blue"]}
        response: httpx.Response = indexed.client.post("/rerank", json=body)
        assert response.status_code == 200, response.text
        expected = engines["clip"].rerank(FIRST, ["red", "green", "blue"]).results
        assert [result["index"] for result in response.json()["results"]] == [ranked.index for ranked in expected]
        for result, ranked in zip(response.json()["results"], expected, strict=True):
            assert result["relevance_score"] == pytest.approx(ranked.score, abs=1e-5)


def test_every_model_is_served(image_server: Server) -> None:
    assert [model["id"] for model in image_server.client.get("/v1/models").json()["data"]] == list(MODELS)
