"""The application without a server: alone, mounted in another, and with an exception that nobody expected."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from api.app import create_app
from api.models import Models
from api.observing.record import Record
from api.observing.tracing import Tracer
from api.settings.settings import DEFAULT_MODEL, Access, Observing, Settings
from engine import Engine, EngineClosed, ProviderError

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
    app = create_app(Models({"minilm-bi": engine}), Settings(), [records.append])
    response = TestClient(app).post("/score", json=BODY)
    logged = capsys.readouterr().err
    assert logged.count("Traceback (most recent call last):\n") == 1
    assert "a secret" in logged
    assert response.headers["x-request-id"] in logged
    assert records[0].status == response.status_code == 500
    assert response.json() == {
        "request_id": response.headers["x-request-id"],
        "message": "The server failed to answer; its log has the reason.",
        "detail": "The server failed to answer; its log has the reason.",
        "error": {
            "message": "The server failed to answer; its log has the reason.",
            "type": "Internal Server Error",
            "param": None,
            "code": 500,
        },
    }


def test_the_engines_close_with_the_application(engine: Engine) -> None:
    with TestClient(create_app(Models({"minilm-bi": engine}), Settings())) as client:
        assert client.post("/score", json=BODY).status_code == 200
    with pytest.raises(EngineClosed):
        engine.score("a", "not remembered")


def test_it_needs_no_server_no_lifespan_and_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process was started with is not read."""
    monkeypatch.setattr("sys.argv", ["gunicorn", "--port", "none"])
    monkeypatch.setenv("SCORERT_MAX_DOCUMENTS", "none")
    settings = Settings(models=[str(DEFAULT_MODEL)])
    models = Models.load(settings)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(models, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post("/score", json=BODY)

    response = asyncio.run(ask())
    models.close()
    assert response.status_code == 200
    assert response.json()["model"] == "all-MiniLM-L6-v2"


def test_mounted_in_another_application(engine: Engine) -> None:
    models = Models({"minilm-bi": engine})
    records: list[Record] = []
    app = create_app(models, Settings(access=Access(api_keys=frozenset({"sk-1"}))), [records.append])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        models.close()

    key = {"Authorization": "Bearer sk-1"}
    with TestClient(Starlette(routes=[Mount("/scores", app)], lifespan=lifespan)) as client:
        assert client.post("/scores/score", json=BODY, headers=key).status_code == 200
        assert client.post("/scores/score", json=BODY).status_code == 401
        assert client.get("/scores/nothing", headers=key).json()["error"]["message"] == (
            "The path /scores/nothing does not exist."
        )
        assert client.get("/scores/health").status_code == 200, "an open path"
        assert "static/page.js" in client.get("/scores/").text
        assert client.get("/scores/openapi.json").json()["servers"] == [{"url": "/scores"}]
    assert [record.path for record in records] == ["/score", "", "", "/health", "/", "/openapi.json"]
    with pytest.raises(EngineClosed):
        engine.score("a", "not remembered")


@pytest.mark.parametrize("value", [None, "1", "4"])
def test_a_process_whose_numpy_has_all_threads_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", value)
    warnings: list[str] = []
    monkeypatch.setattr(logging.getLogger("scorert"), "warning", warnings.append)
    create_app(Models({"minilm-bi": engine}), Settings())
    assert len(warnings) == (value is None)


def test_requests_are_logged_and_traces_sent_as_settings_say(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    logger = logging.getLogger("scorert")
    monkeypatch.setattr(logger, "log", lambda level, record: told.append(f"logged {record.path}"))
    tracer = Tracer(lambda record: told.append(f"traced {record.path}"), lambda: told.append("sent"))

    def tracer_for(endpoint: str, version: str) -> Tracer:
        told.append(endpoint)
        return tracer

    monkeypatch.setattr("api.app.tracer_for", tracer_for)
    settings = Settings(observing=Observing(otlp_endpoint="http://collector"))
    with TestClient(create_app(Models({"minilm-bi": engine}), settings)) as client:
        client.post("/score", json=BODY)
    assert told == ["http://collector", "logged /score", "traced /score", "sent"]
