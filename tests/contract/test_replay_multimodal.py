"""The recordings of models that read images, replayed over real HTTP: what worked there gives the same here.

vLLM resizes with torchvision and the engine with Pillow, as the checkpoints' authors do, so that pixels differ by a
grey level here and there: scores with images agree to 1e-3, those of texts to 1e-4. ColModernVBERT resizes twice.
`test_resizing` has the same scores to 1e-5. The artifacts are exported with `--prompts vllm`. Where ScoreRT does better
on purpose, `_IMPROVED` says what it answers instead, and why.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.contract.comparing import TOLERANCE, assert_same
from tests.contract.recordings import MULTIMODAL, Case, read, send, with_cohere_meta
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

CASES = {(model, case.name): case for model in MULTIMODAL for case in read(model).values()}
RESIZED = dict.fromkeys(MULTIMODAL, 1e-3) | {"colmodernvbert": 3e-3}

# As the recorded servers were started. They counted two images a prompt, and the server counts those of a request.
_OPTIONS = ("--served-model-name", "m", "--allowed-media-domain", "images.example", "--max-images", "2")


@dataclass(frozen=True)
class Improved:
    """What is answered instead of a recorded answer. `as_case` is another case, whose answer is the right one."""

    why: str
    status: int = 400
    type: str = "BadRequestError"
    as_case: str | None = None


_IMPROVED: dict[tuple[str | None, str], Improved] = {
    (None, "error: data URL without base64"): Improved("the client's fault, and not something to be built: 501 there"),
    (None, "error: file URL"): Improved("the client's fault, and not the server's: 500 there"),
    ("colmodernvbert", "score, use_activation false"): Improved(
        "late interaction compares unit vectors, whatever a request says: vLLM leaves their normalisation out",
        200,
        as_case="score, text and image; score, text in a content object",
    ),
}


@pytest.fixture(scope="module")
def server(multimodal: Callable[..., tuple[Path, Path]]) -> Iterator[Callable[[str], Server]]:
    """Servers by model, each started when it is first asked for."""
    with ExitStack() as stack:
        started: dict[str, Server] = {}

        def get(model: str) -> Server:
            if model not in started:
                _, artifact = multimodal(model, "--prompts", "vllm")
                started[model] = stack.enter_context(Server("--model", artifact, *_OPTIONS, "--threads", "1"))
            return started[model]

        yield get


def test_every_recording_has_its_cases() -> None:
    counts = {model: sum(key[0] == model for key in CASES) for model in MULTIMODAL}
    assert counts == {"clip": 23, "jina-m0": 26, "qwen3-vl-reranker": 27, "colqwen3": 27, "colmodernvbert": 27}
    assert all(name in {key[1] for key in CASES} for _, name in _IMPROVED)


@pytest.mark.parametrize(("model", "name"), CASES)
def test_replay(server: Callable[[str], Server], model: str, name: str) -> None:
    case = CASES[model, name]
    response = send(server(model).client, case)
    assert response.headers["content-type"] == "application/json"
    improved = _IMPROVED.get((model, name), _IMPROVED.get((None, name)))
    status = case.status if improved is None else improved.status
    assert response.status_code == status, response.text
    if status == 200:
        assert_same(
            response.json(), _expected(case, model, improved), RESIZED[model] if _has_images(case) else TOLERANCE
        )
        return
    error = response.json()["error"]
    # Unknown paths carry {"detail": …} there; here they have an error object like everything else.
    by_status = {"type": HTTPStatus(status).phrase, "param": None, "code": status}
    recorded = case.response.get("error", by_status) if improved is None else by_status | {"type": improved.type}
    assert {**error, "message": ""} == {**recorded, "message": ""}
    assert "\n" not in error["message"]
    assert 20 < len(error["message"]) < 300


def _expected(case: Case, model: str, improved: Improved | None) -> dict[str, Any]:
    if improved is None or improved.as_case is None:
        return dict(with_cohere_meta(case))
    scores = [CASES[model, name].response["data"][0]["score"] for name in improved.as_case.split("; ")]
    data = [own | {"score": score} for own, score in zip(case.response["data"], scores, strict=True)]
    return {**case.response, "data": data}


def _has_images(case: Case) -> bool:
    return "image_url" in json.dumps(case.request.json)
