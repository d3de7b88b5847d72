"""Words of refusals that vLLM's own tests, and so programs, look for."""

from typing import Any

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow

_LONG = "What is vLLM?" * 300


@pytest.mark.parametrize(
    ("path", "body", "begins"),
    [
        ("/pooling", {"input": "a", "task": "token_classify"}, "Unsupported task: 'token_classify'"),
        ("/pooling", {"input": "a", "task": "classify"}, "Unsupported task: 'classify'"),
        ("/pooling", {"input": "a", "task": "score"}, "Unsupported task: 'score'"),
        ("/pooling", {"input": "a", "task": "plugin"}, "No IOProcessor plugin installed."),
        ("/invocations", {"input": "a", "task": "plugin"}, "No IOProcessor plugin installed."),
        ("/v2/embed", {"texts": ["a"], "input_type": "nonsense"}, "Unsupported input_type 'nonsense'"),
        ("/v1/embed", {"texts": ["a"], "input_type": "nonsense"}, "Unsupported input_type 'nonsense'"),
        ("/v1/embeddings", {"input": [99_999_999]}, "Token id 99999999 is out of vocabulary"),
        ("/v1/embeddings", {"input": [[1, -1]]}, "Token id -1 is out of vocabulary"),
        ("/pooling", {"input": [99_999_999]}, "Token id 99999999 is out of vocabulary"),
        ("/detokenize", {"tokens": [99_999_999]}, "Token id 99999999 is out of vocabulary"),
        *(
            (
                path,
                body | {"truncate_prompt_tokens": 1_000},
                "truncate_prompt_tokens value is greater than max_model_len. Please request a smaller truncation size.",
            )
            for path, body in [
                ("/score", {"queries": _LONG, "documents": _LONG}),
                ("/rerank", {"query": _LONG, "documents": [_LONG]}),
                ("/v1/embeddings", {"input": _LONG}),
                ("/pooling", {"input": _LONG}),
            ]
        ),
    ],
)
def test_refusals_begin_as_vllms(server: Server, path: str, body: dict[str, Any], begins: str) -> None:
    response = server.client.post(path, json={"model": "minilm-bi", **body})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "BadRequestError"), error
    assert error["message"].startswith(begins), error
