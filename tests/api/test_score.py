"""`/score` under the names its two sides may have, with a real engine and no HTTP."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from api.errors import InvalidRequest
from api.models import Models
from api.score import score
from api.settings import read_settings


@pytest.fixture(scope="module")
def models(contract_artifacts: dict[str, Path]) -> Iterator[Models]:
    models = Models.load(read_settings(["--model", str(contract_artifacts["minilm-ce"])], {}))
    yield models
    models.close()


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
def test_a_missing_side_is_named(models: Models, given: list[str], missing: str) -> None:
    body = msgspec.json.encode(dict.fromkeys(given, "a"))
    with pytest.raises(InvalidRequest, match=rf"^{missing} ") as raised:
        score(models, body)
    assert raised.value.parameter == f"body.{missing}"


def test_a_whole_pair_of_names_is_enough(models: Models) -> None:
    response = score(models, b'{"queries": "ignored", "text_1": "a", "text_2": ["b", "c"]}')
    assert len(response.data) == 2


def test_null_is_no_text(models: Models) -> None:
    with pytest.raises(InvalidRequest, match=r"^documents must be a string, an object or a list, not null") as raised:
        score(models, b'{"queries": "a", "documents": null}')
    assert raised.value.parameter == "body.documents"
