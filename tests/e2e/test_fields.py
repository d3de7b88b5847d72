"""Every field that an API has published or that is taken here changes the answer, is refused by its name, or is said to
change nothing, and why: `tests/contract/fields.json`."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from api.dialects import ENDPOINTS
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

_LONG = f"What is the capital of France? {'word ' * 600} Cows eat grass."


class Api(msgspec.Struct):
    """An API's fields at a path: a request, and what becomes of it with each field, beside others if need be."""

    api: str
    source: str
    path: str
    body: dict[str, Any]
    fields: dict[str, list[tuple[Any, ...]]]
    headers: dict[str, str] = {}


APIS = msgspec.json.decode((Path(__file__).parents[1] / "contract" / "fields.json").read_bytes(), type=list[Api])

_ANEW = ("created", "request_id", "inference_status")

CASES = [(api, name, case) for api in APIS for name, cases in api.fields.items() for case in cases]


@pytest.mark.parametrize(
    ("api", "name", "case"), CASES, ids=[f"{api.path} {api.api} {name} {case[0]}" for api, name, case in CASES]
)
def test_no_field_is_passed_over_without_a_word(server: Server, api: Api, name: str, case: tuple[Any, ...]) -> None:
    becomes: Literal["changes", "refused", "nothing"] = case[0]
    value, *more = case[1:]
    beside = more[0] if more and becomes != "nothing" else {}
    without = {own: given for own, given in (api.body | beside).items() if given is not None}
    plain = _answer(server, api, {own: given for own, given in without.items() if own != name} or api.body)
    status, answer = _answer(server, api, without | {name: value})
    if becomes == "refused":
        assert status in (400, 404, 413, 422), answer
        assert name in answer["message"] or answer["error"]["param"] == f"body.{name}", answer
        return
    assert status == 200, answer
    if becomes == "nothing":
        assert answer == plain[1]
        assert isinstance(more[0], str), "why?"
    else:
        assert answer != plain[1]


def test_every_field_that_is_taken_is_listed() -> None:
    paths: dict[type[msgspec.Struct], set[str]] = defaultdict(set)
    for endpoint in ENDPOINTS:
        if hasattr(endpoint.request, "__struct_fields__") and "/invocations" not in endpoint.paths:
            paths[endpoint.request].update(endpoint.paths)
    missing = [
        f"{own.encode_name} ({' '.join(sorted(those))})"
        for kind, those in paths.items()
        for own in msgspec.structs.fields(kind)
        if not any(own.encode_name in api.fields for api in APIS if any(_is_at(path, api.path) for path in those))
    ]
    assert not missing, f"tests/contract/fields.json lacks {', '.join(missing)}"


def _is_at(path: str, place: str) -> bool:
    """Whether a request to `place` is answered by what has `path`, where a model's name may have its place."""
    return place == path or ("{" in path and place.startswith(path.partition("{")[0]))


def _answer(server: Server, api: Api, body: dict[str, Any]) -> tuple[int, Any]:
    content = msgspec.json.encode(body).replace(b'"LONG"', msgspec.json.encode(_LONG))
    headers = {"content-type": "application/json", **api.headers}
    response = server.client.post(api.path, content=content, headers=headers)
    if response.headers["content-type"] == "application/json":
        return response.status_code, _stable(response.json())
    described = response.headers.get("metadata")
    return response.status_code, (response.content, described and _stable(json.loads(described)))


def _stable(answer: Any) -> Any:
    """Without what every answer has anew."""
    if not isinstance(answer, dict):
        return answer
    kept = {name: value for name, value in answer.items() if name not in _ANEW}
    return kept | {"id": re.sub(r"-[0-9a-f]{16}$", "", answer.get("id", ""))}
