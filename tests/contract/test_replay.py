"""The recordings replayed over real HTTP against a real server process: what worked there gives the same here.

Where ScoreRT does better on purpose, `_IMPROVED` says what it answers instead.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from engine import __version__ as scorert_version
from tests.contract.comparing import assert_same
from tests.contract.record import record
from tests.contract.recordings import MODELS, read, send, with_cohere_meta
from tests.e2e.server import Server

CASES = {(model, case.name): case for model in MODELS for case in read(model).values()}

# Phrases that clients look for.
_PHRASES = {
    "err too long": ["maximum context length is {limit} tokens", "Please reduce the length of the input prompt"],
    "err rerank too long": ["maximum context length is {limit} tokens", "Please reduce the length of the input prompt"],
    "err truncate too big": [
        "truncate_prompt_tokens value is greater than max_model_len. Please request a smaller truncation size."
    ],
    "err unknown model": ["The model `nope` does not exist"],
    "pooling embed": ["Unsupported task: 'embed'"],
    "pooling classify": ["Unsupported task: 'classify'"],
    "err multimodal on text model": ["MultiModalParam is not supported for {architecture}"],
}
_ARCHITECTURES = {
    "minilm-ce": "BertForSequenceClassification",
    "minilm-bi": "BertModel",
    "minilm-colbert": "HF_ColBERT",
}
_LIMITS = {"minilm-ce": 512, "minilm-bi": 256, "minilm-colbert": 512}


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path]) -> Iterator[Callable[[str], Server]]:
    """Servers by model, each started when it is first asked for."""
    with ExitStack() as stack:
        started: dict[str, Server] = {}

        def get(model: str) -> Server:
            if model not in started:
                started[model] = stack.enter_context(Server("--model", contract_artifacts[model]))
            return started[model]

        yield get


def test_every_recording_has_its_cases() -> None:
    assert {model: sum(key[0] == model for key in CASES) for model in MODELS} == dict.fromkeys(MODELS, 79)


@pytest.mark.parametrize(("model", "name"), [key for key, case in CASES.items() if case.status == 200])
def test_success(server: Callable[[str], Server], model: str, name: str) -> None:
    case = CASES[model, name]
    response = send(server(model).client, case)
    assert response.status_code == 200, response.text
    assert response.headers.get("content-type") == case.content_type
    if case.content_type is None:
        assert response.text == case.response["text"]
        return
    expected = _IMPROVED.get((model, name), _IMPROVED.get(name, lambda recorded, _: recorded))
    assert_same(response.json(), expected(_ties_in_request_order(with_cohere_meta(case)), model))


@pytest.mark.parametrize(("model", "name"), [key for key, case in CASES.items() if case.status != 200])
def test_error(server: Callable[[str], Server], model: str, name: str) -> None:
    case = CASES[model, name]
    response = send(server(model).client, case)
    if name in _ACCEPTED:
        assert response.status_code == 200, response.text
        assert_same(response.json(), CASES[model, _ACCEPTED[name]].response)
        return
    if (model, name) in _ANSWERED:
        assert response.status_code == 200, response.text
        return
    assert response.status_code == case.status
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error", "message", "detail", "request_id"}
    assert response.json()["request_id"] == response.headers["x-request-id"]
    error = response.json()["error"]
    # Unknown paths and methods carry {"detail": …} there; here they have an error object like everything else.
    by_status = {"type": HTTPStatus(case.status).phrase, "param": None, "code": case.status}
    recorded = case.response.get("error", by_status)
    assert {**error, "message": ""} == {**recorded, "message": ""}
    assert "\n" not in error["message"]
    assert 20 < len(error["message"]) < 300
    for phrase in _PHRASES.get(name, []):
        assert phrase.format(limit=_LIMITS[model], architecture=_ARCHITECTURES[model]) in error["message"]


@pytest.mark.parametrize("model", MODELS)
def test_several_text_parts_are_joined_by_newlines(server: Callable[[str], Server], model: str) -> None:
    parts = {"content": [{"type": "text", "text": text} for text in ("Horses graze.", "Paris is in France.")]}
    joined = "Horses graze.\nParis is in France."
    client = server(model).client
    in_parts = client.post("/rerank", json={"query": parts, "documents": [parts, "Cows"]}).json()
    plain = client.post("/rerank", json={"query": joined, "documents": [joined, "Cows"]}).json()
    assert in_parts["results"] == plain["results"]
    assert in_parts["results"][0]["document"] == {"text": joined, "multi_modal": None}


def test_text_objects_may_be_queries_too(server: Callable[[str], Server]) -> None:
    client = server("minilm-ce").client
    as_objects = {"text_1": [{"text": "a"}, {"text": "b"}], "text_2": [{"text": "c"}, "d"]}
    scores = [
        client.post("/score", json=body).json()["data"]
        for body in (as_objects, {"text_1": ["a", "b"], "text_2": ["c", "d"]})
    ]
    assert scores[0] == scores[1]


def test_unknown_path_has_the_error_object(server: Callable[[str], Server]) -> None:
    response = server("minilm-ce").client.get("/nope")
    assert response.status_code == 404
    error = response.json()["error"]
    assert error == {"message": "The path /nope does not exist.", "type": "Not Found", "param": None, "code": 404}


def test_unknown_method_says_which_are_known(server: Callable[[str], Server]) -> None:
    response = server("minilm-ce").client.get("/score")
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["message"] == "The path /score does not take GET, only POST."


def test_body_without_content_type_is_json(server: Callable[[str], Server]) -> None:
    response = server("minilm-ce").client.post("/score", content=b'{"queries":"a","documents":"b"}')
    assert "content-type" not in response.request.headers
    assert response.status_code == 200


def test_parameters_of_the_content_type_do_not_matter(server: Callable[[str], Server]) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    response = server("minilm-ce").client.post("/score", content=b'{"queries":"a","documents":"b"}', headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["pooling token_embed", "pooling base64", "rerank /rerank", "health", "err bad json"])
def test_what_is_recorded_anew_replays(server: Callable[[str], Server], name: str) -> None:
    model = "minilm-colbert"
    case = CASES[model, name]
    recorded = record(server(model).client, case)
    assert (recorded.name, recorded.request, recorded.status) == (name, case.request, case.status)
    answer = send(server(model).client, recorded)
    if recorded.content_type is None:
        assert recorded.response == {"text": answer.text}
    elif recorded.status == 200:
        assert_same(answer.json(), recorded.response)
    assert len(json.dumps(recorded.response)) <= len(json.dumps(case.response)) + 200


def _ties_in_request_order(recorded: dict[str, Any]) -> dict[str, Any]:
    """Float noise orders equal documents in the recordings; here the request does."""
    if "results" not in recorded:
        return recorded
    results = sorted(recorded["results"], key=lambda result: -result["relevance_score"])
    for _ in results:
        for place in range(len(results) - 1):
            first, second = results[place : place + 2]
            tied = abs(first["relevance_score"] - second["relevance_score"]) < 1e-6
            if tied and first["index"] > second["index"]:
                results[place : place + 2] = second, first
    return {**recorded, "results": results}


def _without_documents(recorded: dict[str, Any], model: str) -> dict[str, Any]:
    results = [{key: value for key, value in result.items() if key != "document"} for result in recorded["results"]]
    return {**recorded, "results": results}


def _empty_pair(recorded: dict[str, Any], model: str) -> dict[str, Any]:
    """`[CLS] [SEP] [SEP]`, whose score PyTorch gives as below; the recording dropped the pair."""
    score = {"index": 0, "object": "score", "score": EMPTY_PAIR_SCORE}
    return {**recorded, "data": [score], "usage": {**recorded["usage"], "prompt_tokens": 3, "total_tokens": 3}}


def _as_with_activation(recorded: dict[str, Any], model: str) -> dict[str, Any]:
    """Only cross-encoders have an activation to switch off."""
    reference: dict[str, Any] = CASES[
        model, "score use_activation true" if "data" in recorded else "rerank /rerank"
    ].response
    return reference


def _own_version(recorded: dict[str, Any], model: str) -> dict[str, Any]:
    return {"version": scorert_version}


EMPTY_PAIR_SCORE = 0.5722717

_IMPROVED: dict[Any, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "version": _own_version,
    "rerank return_documents false": _without_documents,
    ("minilm-ce", "score empty strings"): _empty_pair,
    ("minilm-colbert", "score use_activation false"): _as_with_activation,
    ("minilm-colbert", "rerank use_activation false"): _as_with_activation,
}

# Refused in the recordings, accepted here: they give what the plain strings gave there.
_ACCEPTED = {"rerank dict text documents": "rerank /rerank", "content text parts": "score 1:1 /score"}

# Refused in the recordings, because the model has no prompts; Cohere's clients must send an `input_type`.
_ANSWERED = {("minilm-bi", "cohere embed")}
