"""What becomes of an exception nobody expected."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.models import Models
from engine import Engine, ProviderError

BODY = {"queries": "a", "documents": "b"}


@pytest.fixture
def engine(contract_artifacts: dict[str, Path]) -> Iterator[Engine]:
    engine = Engine.load(contract_artifacts["minilm-bi"])
    yield engine
    engine.close()


@pytest.mark.parametrize("failure", [RuntimeError("a secret"), ProviderError("a secret")])
def test_failures_are_raised_for_the_log_and_answered_without_detail(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(engine, "score", fail)
    app = create_app(Models({"minilm-bi": engine}))
    # The client raises what the application lets through to the server, which logs it.
    with pytest.raises(type(failure), match="a secret"):
        TestClient(app).post("/score", json=BODY)
    response = TestClient(app, raise_server_exceptions=False).post("/score", json=BODY)
    assert response.status_code == 500
    assert response.json() == {
        "error": {
            "message": "The server failed to answer; its log has the reason.",
            "type": "Internal Server Error",
            "param": None,
            "code": 500,
        }
    }


def test_the_engines_close_with_the_application(engine: Engine) -> None:
    with TestClient(create_app(Models({"minilm-bi": engine}))) as client:
        assert client.post("/score", json=BODY).status_code == 200
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine.score("a", "b")
