"""What becomes of an exception nobody expected."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.models import Models
from api.observing.record import Record
from api.settings.settings import read_settings
from engine import Engine, ProviderError

BODY = {"queries": "a", "documents": "b"}


@pytest.fixture
def engine(contract_artifacts: dict[str, Path]) -> Iterator[Engine]:
    engine = Engine.load(contract_artifacts["minilm-bi"])
    yield engine
    engine.close()


@pytest.mark.parametrize("failure", [RuntimeError("a secret"), ProviderError("a secret")])
def test_failures_are_logged_and_answered_without_detail(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(engine, "score", fail)
    # Libraries that other tests used in this process may have left some.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    records: list[Record] = []
    app = create_app(Models({"minilm-bi": engine}), read_settings([], {}), [records.append])
    response = TestClient(app).post("/score", json=BODY)
    logged = capsys.readouterr().err
    assert logged.count("Traceback (most recent call last):\n") == 1
    assert "a secret" in logged
    assert response.headers["x-request-id"] in logged
    assert records[0].status == response.status_code == 500
    assert response.json() == {
        "request_id": response.headers["x-request-id"],
        "error": {
            "message": "The server failed to answer; its log has the reason.",
            "type": "Internal Server Error",
            "param": None,
            "code": 500,
        },
    }


def test_the_engines_close_with_the_application(engine: Engine) -> None:
    with TestClient(create_app(Models({"minilm-bi": engine}), read_settings([], {}))) as client:
        assert client.post("/score", json=BODY).status_code == 200
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.score("a", "not remembered")
