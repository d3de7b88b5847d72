"""Score templates over HTTP, and what keeps a server with one from starting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, run_to_exit

pytestmark = pytest.mark.slow

TEMPLATE = """\
{%- if instruction %}{{ instruction }} {% endif -%}
{% for message in messages if message.role != "system" %}{{ message.role }}: {{ message.content }} {% endfor -%}
[SEP] {{ task | default("relevant?") }}"""

QUERY = "What is the capital of France?"
DOCUMENTS = ["Cows eat grass.", "The capital of France is Paris.", "Paris [SEP] relevant?"]
RERANK = {"query": QUERY, "documents": DOCUMENTS}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("templates") / "score.jinja"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path], template: Path) -> Iterator[Server]:
    with Server("--model", contract_artifacts["minilm-ce"], "--chat-template", f"minilm-ce={template}") as server:
        yield server


def test_a_template_without_a_name_is_for_prompted_models(contract_artifacts: dict[str, Path], template: Path) -> None:
    refused = run_to_exit("--port", "0", "--model", contract_artifacts["minilm-ce"], "--chat-template", template)
    assert refused.returncode == 2
    assert "none that is served is: name the one that shall be, as in minilm-ce=FILE" in refused.stderr


def test_both_paths_use_the_template(server: Server) -> None:
    ranked = server.client.post("/rerank", json=RERANK).json()
    scored = server.client.post("/score", json={"queries": QUERY, "documents": DOCUMENTS}).json()
    by_index = {result["index"]: result["relevance_score"] for result in ranked["results"]}
    assert [by_index[i] for i in range(3)] == pytest.approx([item["score"] for item in scored["data"]], abs=1e-6)
    assert ranked["usage"] == {"prompt_tokens": scored["usage"]["total_tokens"]} | {
        "total_tokens": scored["usage"]["prompt_tokens"]
    }


def test_instructions_and_variables_change_scores(server: Server) -> None:
    def scores(**more: object) -> list[float]:
        answer = server.client.post("/score", json={"queries": QUERY, "documents": DOCUMENTS, **more}).json()
        return [item["score"] for item in answer["data"]]

    plain = scores()
    assert scores(instruction=None, chat_template_kwargs=None) == pytest.approx(plain, abs=1e-6)
    assert scores(chat_template_kwargs={"task": "relevant?"}) == pytest.approx(plain, abs=1e-6)
    assert scores(instruction="Find cows.") != pytest.approx(plain, abs=1e-4)
    assert scores(chat_template_kwargs={"task": "about cows?"}) != pytest.approx(plain, abs=1e-4)


def test_a_separator_in_a_document_is_text(server: Server) -> None:
    """As a token it is one, as text it is three."""

    def tokens(document: str) -> int:
        answer = server.client.post("/score", json={"queries": QUERY, "documents": document}).json()
        return int(answer["usage"]["prompt_tokens"])

    assert tokens("Paris [SEP] relevant?") == tokens("Paris ( sep ) relevant?")


def test_truncation_keeps_what_the_template_asks(server: Server) -> None:
    long = {"queries": QUERY, "documents": "Paris is the capital of France. " * 200}
    refused = server.client.post("/score", json=long)
    assert refused.status_code == 400
    assert "maximum context length is 512 tokens" in refused.json()["error"]["message"]
    for total in (32, 512):
        answer = server.client.post("/score", json=long | {"truncate_prompt_tokens": total}).json()
        assert answer["usage"]["prompt_tokens"] == total
    refused = server.client.post("/score", json=long | {"truncate_prompt_tokens": 3})
    assert refused.json()["error"]["param"] == "body.truncate_prompt_tokens"


@pytest.mark.parametrize(
    ("more", "parameter", "named"),
    [
        ({"chat_template_kwargs": {"messages": []}}, "body.chat_template_kwargs", "messages"),
        ({"chat_template_kwargs": {"chat_template": "x"}}, "body.chat_template_kwargs", "chat_template"),
        ({"chat_template_kwargs": "x"}, "body.chat_template_kwargs", "must be an object, not a string"),
        ({"chat_template_kwargs": {"a": [[]] * 3}, "instruction": 1}, "body.instruction", "must be a string"),
    ],
)
def test_refusals_name_the_field(server: Server, more: dict[str, object], parameter: str, named: str) -> None:
    response = server.client.post("/rerank", json=RERANK | more)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == parameter
    assert named in error["message"]


def test_a_request_cannot_bring_a_template(server: Server) -> None:
    refused = server.client.post("/rerank", json=RERANK | {"chat_template": "{{ messages }}"})
    assert refused.status_code == 400
    assert "chat_template" in refused.json()["error"]["message"]


def test_a_model_without_a_template_refuses_an_instruction(contract_artifacts: dict[str, Path]) -> None:
    with Server("--model", contract_artifacts["minilm-bi"]) as server:
        refused = server.client.post("/rerank", json=RERANK | {"instruction": "Find cows."})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "body.instruction"


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("minilm-bi", TEMPLATE, "minilm-bi is a bi-encoder model, and only cross-encoders take a score template"),
        ("minilm-ce", "{{ messages }", "The score template cannot be used from its line 1 on"),
        ("minilm-ce", "{{ messages[0].content }}", "does not write out the document"),
        ("minilm-ce", "{% for i in range(10 ** 9) %}{% endfor %}", "it loops more than 10,000 times"),
        ("minilm-ce", None, "SCORERT_CHAT_TEMPLATE"),
    ],
)
def test_a_template_that_cannot_be_used_keeps_the_server_from_starting(
    contract_artifacts: dict[str, Path], tmp_path: Path, model: str, text: str | None, message: str
) -> None:
    path = tmp_path / "score.jinja"
    if text is not None:
        path.write_text(text)
    ended = run_to_exit(
        "--port", "0", "--model", contract_artifacts[model], environment={"SCORERT_CHAT_TEMPLATE": f"{model}={path}"}
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
