"""`/score` under the names its two sides may have."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.models import Models
from api.settings.reading import read_settings


@pytest.fixture(scope="module")
def client(contract_artifacts: dict[str, Path]) -> Iterator[TestClient]:
    settings = read_settings(["--model", str(contract_artifacts["minilm-ce"])], {})
    with TestClient(create_app(Models.load(settings), settings)) as client:
        yield client


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["queries"], "documents"),
        (["documents"], "queries"),
        (["items"], "queries"),
        (["text_1"], "text_2"),
        (["text_2"], "text_1"),
        (["data_1"], "data_2"),
        (["data_2"], "data_1"),
        ([], "queries"),
        (["queries", "text_2"], "documents"),
    ],
)
def test_a_missing_side_is_named(client: TestClient, given: list[str], missing: str) -> None:
    error = client.post("/score", json=dict.fromkeys(given, "a")).json()["error"]
    assert error["message"].startswith(f"{missing} ")
    assert error["param"] == f"body.{missing}"


def test_names_that_contradict_each_other_are_refused(client: TestClient) -> None:
    error = client.post("/score", json={"queries": "q", "text_1": "a", "text_2": ["b", "c"]}).json()["error"]
    assert error["message"] == "queries and text_1 name the same thing: leave one of them out."
    assert error["param"] == "body.text_1"


def test_null_is_no_text(client: TestClient) -> None:
    error = client.post("/score", json={"queries": "a", "documents": None}).json()["error"]
    assert error["message"] == "documents is missing: give it beside queries."
    assert error["param"] == "body.documents"
