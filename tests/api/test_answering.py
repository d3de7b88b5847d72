"""What stands between a request and its endpoint."""

import asyncio
import base64
import time
from typing import Any, cast

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from api.answering import Answering
from api.endpoint import Call, Endpoint
from api.errors import InvalidRequest, ServerBusy
from api.limits import Limits
from api.media.reading import Media
from api.media.settings import MediaSettings
from api.models import Models
from api.observing.record import Record
from engine import Engine
from tests.engine.images.pictures import picture, saved

IMAGE = f"data:;base64,{base64.b64encode(saved(picture('RGB', 8, 12, 0), 'PNG')).decode()}"


class Words(msgspec.Struct):
    words: list[str]


def endpoint(answer: Any, **more: Any) -> Endpoint:
    fields: dict[str, Any] = {"method": "POST", "paths": ("/x",), "dialect": "House", "summary": "", "response": Any}
    return Endpoint(answer=answer, **(fields | more))


def ask(answering: Answering, *endpoints: Endpoint, leaves: bool = False, **request: Any) -> Response:
    """The answer to a request of a client that stays, or `leaves` once it has sent everything."""
    method, body, headers = request.get("method", "POST"), request.get("body", b""), request.get("headers", {})
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(0 if leaves else 60)
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": method,
        "path": "/x",
        "query_string": b"a=b",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "scorert.record": Record("id", method, "/x", None, {}),
    }
    by_method: dict[str, list[Endpoint]] = {}
    for one in endpoints:
        by_method.setdefault(one.method, []).append(one)

    async def answered() -> Response:
        return await answering.of(by_method)(Request(scope, receive))

    return asyncio.run(answered())


@pytest.fixture
def answering() -> Answering:
    limits = Limits(max_concurrent_requests=1, timeout=30)
    return Answering(Models({"none": cast(Engine, None)}), limits, Media(MediaSettings()))


def test_head_is_answered_as_get(answering: Answering) -> None:
    version = endpoint(lambda _, call: {"version": call.parameters["a"]}, method="GET")
    assert ask(answering, version, method="HEAD").body == b'{"version":"b"}'


def test_no_answer_is_an_empty_body(answering: Answering) -> None:
    response = ask(answering, endpoint(lambda *_: None, method="GET"), method="GET")
    assert (response.status_code, response.body) == (200, b"")


@pytest.mark.parametrize("media_type", [None, "application/json", "Application/JSON; charset=utf-8"])
def test_bodies_are_json(answering: Answering, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    length = endpoint(lambda request, call: len(request.words), request=Words)
    assert ask(answering, length, body=b'{"words": ["a", "b"]}', headers=headers).body == b"2"


def test_another_media_type_is_refused_before_the_body_is_read(answering: Answering) -> None:
    with pytest.raises(InvalidRequest, match="must be application/json, not text/plain"):
        ask(answering, endpoint(lambda *_: None, request=Words), body=b"{", headers={"content-type": "text/plain"})


def test_the_first_endpoint_whose_condition_holds_answers(answering: Answering) -> None:
    sharing = [
        endpoint(lambda *_: "guest", request=dict, when=lambda fields, headers: "guest" in headers),
        endpoint(lambda *_: "words", request=Words, when=lambda fields, headers: "words" in fields),
        endpoint(lambda *_: "any", request=dict),
    ]
    assert ask(answering, *sharing, body=b'{"words": []}').body == b'"words"'
    assert ask(answering, *sharing, body=b'{"words": []}', headers={"guest": "yes"}).body == b'"guest"'
    assert ask(answering, *sharing, body=b"{}").body == b'"any"'


def waits(_: Any, call: Call) -> bool:
    """Whether the request was cancelled before it had waited for 20 s."""
    until = time.monotonic() + 20
    while not call.job.cancelled and time.monotonic() < until:
        time.sleep(0.01)
    return call.job.cancelled


def test_the_job_of_a_client_that_leaves_is_cancelled(answering: Answering) -> None:
    assert ask(answering, endpoint(waits, request=dict), body=b"{}", leaves=True).body == b"true"
    stays = endpoint(lambda _, call: call.job.cancelled, request=dict)
    assert ask(answering, stays, body=b"{}").body == b"false"


def test_the_images_of_a_request_are_held_until_it_is_answered(answering: Answering) -> None:
    held = answering.media.held
    reads = endpoint(lambda _, call: [call.media.read_all([IMAGE])[0].width, held.held], request=dict)
    assert ask(answering, reads, body=b"{}").body == b"[12,96]"
    assert held.held == 0
    fails = endpoint(lambda _, call: call.media.read_all([IMAGE])[0].width / 0, request=dict)
    with pytest.raises(ZeroDivisionError):
        ask(answering, fails, body=b"{}")
    assert held.held == 0


def test_requests_with_a_body_are_counted_and_others_get_through(answering: Answering) -> None:
    inside = endpoint(lambda _, call: call.gate.inside, request=dict)
    assert ask(answering, inside, body=b"{}").body == b"1"
    with answering.gate.entered():
        with pytest.raises(ServerBusy):
            ask(answering, inside, body=b"{}")
        assert ask(answering, endpoint(lambda _, call: call.gate.inside, method="GET"), method="GET").body == b"1"
    assert answering.gate.inside == 0
