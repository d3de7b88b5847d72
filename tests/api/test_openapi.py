"""The description of made-up endpoints, held against OpenAPI's own schema and against what they answer."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from api import dialects
from api.dialects.vllm.rerank import RerankRequest, RerankResponse
from api.endpoint import Endpoint
from api.errors import CLIENT_LEFT, Error, ErrorBody, RequestError, client_error
from api.keys import HEALTH_PATHS
from api.openapi import document
from engine import (
    ArtifactError,
    Cancelled,
    DeadlineExceeded,
    InputTooLong,
    InvalidInput,
    ProviderError,
    QueueFull,
    UnsupportedTask,
)


class Query(msgspec.Struct):
    """Words to look for.

    As many as one likes.
    """

    words: Annotated[list[str], msgspec.Meta(min_length=1, description="One by one.")]
    most: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3


class Undocumented(Query):
    pass


class Found(msgspec.Struct):
    places: list[float]


class Failed(msgspec.Struct):
    reason: str


def namesake() -> type[msgspec.Struct]:
    """Another `Found`, as another dialect may have."""
    return msgspec.defstruct("Found", [("places", list[str])], module="elsewhere")


def endpoint(*paths: str, **more: Any) -> Endpoint:
    fields = {"method": "POST", "dialect": "House", "summary": "Look for words", "response": Found}
    return Endpoint(paths=paths, answer=lambda request, call: None, **(fields | more))


ENDPOINTS = [
    endpoint("/health", method="GET", summary="Whether it is up", response=None),
    endpoint(
        "/v1/find",
        dialect="Guest",
        summary="Look twice",
        request=Undocumented,
        example={"words": ["b"]},
        response=namesake(),
        told_by="a body with `words`",
    ),
    endpoint("/find", "/v1/find", request=Query, example={"words": ["a"]}, told_by="any other body"),
    endpoint("/of/{name:path}", request=Query),
    endpoint("/bare", request=list[str], response=list[list[float]]),
    endpoint("/either", request=Query, response=Found | Failed),
    endpoint("/v1/rerank", request=RerankRequest, response=RerankResponse, summary="Rank"),
]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    # By way of its bytes: what is served is JSON.
    served: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(ENDPOINTS, "1.2.3")))
    return served


def operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in described["paths"].values():
        yield from path.values()


def schema(described: dict[str, Any], path: str, status: str | None = None) -> dict[str, Any]:
    """Of the body that the path takes, or of the one that it answers with `status`; it stands for itself."""
    operation = described["paths"][path]["post"]
    body = operation["responses"][status] if status else operation["requestBody"]
    if "$ref" in body:
        body = described["components"]["responses"][body["$ref"].rpartition("/")[2]]
    return body["content"]["application/json"]["schema"] | {"components": described["components"]}


def accepts(schema: dict[str, Any], body: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(schema).is_valid(body)


def test_is_valid(described: dict[str, Any]) -> None:
    jsonschema_rs.Draft202012Validator(OPENAPI_31).validate(described)
    for component in described["components"]["schemas"].values():
        jsonschema_rs.meta.validate(component)
    assert described["info"]["version"] == "1.2.3"


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref":"#/components/(\w+)/([^"]+)"', msgspec.json.encode(described).decode())
    assert {kind for kind, _ in references} == {"schemas", "responses", "headers"}
    for kind, name in references:
        assert name in described["components"][kind]


def test_operation_ids_are_unique(described: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(described)]
    assert len(ids) == 7
    assert len(set(ids)) == 7
    assert "post_v1_find" in ids


def test_constraints_hold(described: dict[str, Any]) -> None:
    body = schema(described, "/find")
    assert accepts(body, {"words": ["a"], "most": 10})
    assert not accepts(body, {"words": []})
    assert not accepts(body, {"words": ["a"], "most": 11})
    assert not accepts(body, {})


def test_a_shared_path_takes_and_gives_what_any_of_its_endpoints_does(described: dict[str, Any]) -> None:
    operation = described["paths"]["/v1/find"]["post"]
    assert operation["tags"] == ["House"]
    assert operation["summary"] == "Look for words"
    assert operation["description"] == (
        "The first that knows a request as its own answers:\n\n"
        "- **Guest**: a body with `words`. Look twice\n- **House**: any other body"
    )
    body = operation["requestBody"]["content"]["application/json"]
    assert [own["title"] for own in body["schema"]["anyOf"]] == ["House", "Guest"]
    assert {name: own["value"] for name, own in body["examples"].items()} == {
        "House": {"words": ["a"]},
        "Guest": {"words": ["b"]},
    }
    # The two structs of one name are two schemas.
    answer = schema(described, "/v1/find", "200")
    assert accepts(answer, {"places": [0.5]})
    assert accepts(answer, {"places": ["here"]})
    assert not accepts(answer, {"places": [None]})
    assert not accepts(schema(described, "/find", "200"), {"places": ["here"]})


def test_a_path_is_there_once_with_its_places(described: dict[str, Any]) -> None:
    """Swagger UI shows an operation under each of its tags."""
    assert all(len(operation["tags"]) == 1 for operation in operations(described))
    assert described["tags"] == [{"name": "House"}], "a heading without operations says nothing"
    assert [place["name"] for place in described["paths"]["/of/{name}"]["post"]["parameters"]] == ["name"]
    assert "parameters" not in described["paths"]["/find"]["post"]


def test_a_union_of_answers(described: dict[str, Any]) -> None:
    answer = schema(described, "/either", "200")
    assert accepts(answer, {"places": []})
    assert accepts(answer, {"reason": "none"})
    assert not accepts(answer, {})


def test_descriptions_are_the_docstrings(described: dict[str, Any]) -> None:
    found = described["paths"]["/find"]["post"]
    assert found["description"] == "Words to look for.\n\nAs many as one likes."
    words = described["components"]["schemas"]["Query"]["properties"]["words"]
    assert words["description"] == "One by one."
    assert "description" not in described["paths"]["/bare"]["post"]


def test_an_answer_without_a_body(described: dict[str, Any]) -> None:
    health = described["paths"]["/health"]["get"]
    assert "content" not in health["responses"]["200"]
    assert "requestBody" not in health
    assert list(health["responses"]) == ["200", "404", "500"]


def test_the_failures_are_those_that_are_answered() -> None:
    """Of every error class, also the dialects', and 500 for what nobody expected; nobody receives 499."""
    refusals: list[type[RequestError]] = [RequestError]
    for refusal in refusals:
        refusals += refusal.__subclasses__()
    engines = [InvalidInput(""), InputTooLong(2, 1), UnsupportedTask("", []), QueueFull(1), DeadlineExceeded(1.0)]
    statuses = {int(refusal.status) for refusal in refusals}
    statuses |= {error.code for error in map(client_error, [*engines, Cancelled()]) if error is not None}
    assert len(refusals) > 8
    responses = document(dialects.ENDPOINTS, "1.2.3")["paths"]["/score"]["post"]["responses"]
    assert {int(status) for status in responses} == (statuses - {CLIENT_LEFT}) | {200, 500}
    assert all(client_error(error) is None for error in (ArtifactError(""), ProviderError("")))


@pytest.mark.parametrize("status", ["400", "401", "404", "408", "413", "500", "503", "504"])
def test_failures_have_the_error_object(described: dict[str, Any], status: str) -> None:
    error = Error("It is so.", "BadRequestError", None, 400)
    fields = {field.name: "x" for field in msgspec.structs.fields(ErrorBody) if field.name != "error"}
    body = msgspec.to_builtins(ErrorBody(error=error, **fields))
    assert accepts(schema(described, "/find", status), body)
    assert not accepts(schema(described, "/find", status), {"detail": "no"})


def test_a_key_may_be_given(described: dict[str, Any]) -> None:
    assert described["security"] == [{}, {"bearer": []}, {"header": []}]
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert described["components"]["securitySchemes"]["header"]["name"] == "Api-Key"


def test_what_needs_no_key_has_no_padlock() -> None:
    paths = document(dialects.ENDPOINTS, "1.2.3")["paths"]
    opened = {path for path, methods in paths.items() if methods.get("get", {}).get("security") == []}
    assert opened == set(HEALTH_PATHS)
    assert not any("401" in paths[path]["get"]["responses"] for path in opened)
    assert "security" not in paths["/ping"]["post"]
    assert "401" in paths["/v1/models"]["get"]["responses"]
