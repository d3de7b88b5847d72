import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from api.keys import Keys

KEYS = frozenset({"sk-first", "sk-second"})
MISSING = "This server needs an API key: send it as `Authorization: Bearer KEY`, or as `Api-Key: KEY`."


def refuse(sentence: str) -> ASGIApp:
    return PlainTextResponse(sentence, 401)


async def answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"answered {request.method} {(await request.body()).decode()}")


PATHS = ["/", "/health", "/healthy", "/score", "/static/page.css", "/static"]
SERVED = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in PATHS])
APP = Keys(SERVED, KEYS, frozenset({"/", "/health", "/static/*"}), refuse)


def send(path: str, *authorizations: str | bytes, app: ASGIApp = APP, method: str = "POST") -> httpx.Response:
    async def request() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://server") as client:
            headers = [(b"authorization", text.encode() if isinstance(text, str) else text) for text in authorizations]
            return await client.request(method, path, content=b"body", headers=headers)

    return asyncio.run(request())


@pytest.mark.parametrize(
    "authorization", ["Bearer sk-first", "Bearer sk-second", "bearer sk-first", "BEARER  sk-first "]
)
def test_any_of_the_keys_lets_a_request_through(authorization: str) -> None:
    response = send("/score", authorization)
    assert response.status_code == 200
    assert response.text == "answered POST body"


def send_headers(headers: dict[str, str]) -> httpx.Response:
    async def request() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=APP), base_url="http://server") as client:
            return await client.post("/score", content=b"body", headers=headers)

    return asyncio.run(request())


def test_a_key_may_have_a_header_of_its_own() -> None:
    assert send_headers({"Api-Key": "sk-first"}).status_code == 200
    assert send_headers({"api-key": " sk-second "}).status_code == 200
    assert send_headers({"Api-Key": "wrong"}).text.startswith("The API key is not one of this server's")
    assert send_headers({"Api-Key": ""}).text == MISSING
    # Where both are sent, the one that all other clients send counts.
    assert send_headers({"Api-Key": "sk-first", "Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize(
    "authorizations",
    [[], [""], ["Bearer"], ["Bearer "], ["Basic sk-first"], ["sk-first"], ["Bearersk-first"]],
)
def test_without_a_key(authorizations: list[str]) -> None:
    response = send("/score", *authorizations)
    assert (response.status_code, response.text) == (401, MISSING)


@pytest.mark.parametrize(
    "key",
    ["wrong", "sk-firs", "sk-firstt", "SK-FIRST", "sk-first,sk-second", "sk-first sk-second", b"sk-first\xff", b"\xff"],
)
def test_with_a_wrong_key(key: str | bytes) -> None:
    response = send("/score", b"Bearer " + (key.encode() if isinstance(key, str) else key))
    assert response.status_code == 401
    assert response.text.startswith("The API key is not one of this server's")
    assert "sk-" not in response.text


@pytest.mark.parametrize("path", ["/", "/health", "/static/page.css"])
def test_open_paths_need_none_to_be_read(path: str) -> None:
    assert send(path, method="GET").status_code == 200
    assert send(path, "Bearer wrong", method="GET").status_code == 200
    assert send(path, method="POST").status_code == 401


@pytest.mark.parametrize("path", ["/score", "/healthy", "/static", "/staticx/page.css", "/no/such/path"])
def test_all_others_do(path: str) -> None:
    assert send(path, method="GET").status_code == 401


def test_without_keys_nothing_gets_through() -> None:
    app = Keys(SERVED, frozenset(), frozenset({"/health"}), refuse)
    assert send("/score", "Bearer sk-first", app=app).status_code == 401
    assert send("/score", "Bearer ", app=app).status_code == 401
    assert send("/health", app=app, method="GET").status_code == 200


def test_start_and_end_of_the_server_get_through() -> None:
    """The lifespan has no path and no headers."""
    begun = []

    async def served(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["type"])

    async def nothing(*_: Any) -> None:
        raise AssertionError

    asyncio.run(Keys(served, KEYS, frozenset(), refuse)({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type]
    assert begun == ["lifespan"]


def test_a_slash_at_the_end_keeps_nobody_out() -> None:
    assert send("/health/", method="GET").status_code != 401


@pytest.mark.parametrize("path", ["/ping", "/ping/"])
def test_sagemakers_ping_needs_none_either_way(path: str) -> None:
    assert send(path, method="POST").status_code != 401
    assert send("/score" + path, method="POST").status_code == 401
