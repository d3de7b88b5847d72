"""Describes what is served by OpenAPI 3.1, from the endpoints and the structs of their bodies."""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from .dialects import tei, weaviate
from .endpoint import Binary, Endpoint
from .errors import ErrorBody
from .keys import OPEN_PATHS

Schema = dict[str, Any]
Schemas = Mapping[Any, Schema]

# Every status of a failure, with the name of the response and what it means. Those of `errors.py`, and 500.
_FAILURES: dict[str, tuple[str, str]] = {
    "400": ("BadRequest", "The request cannot be answered as it is: the message says what to change."),
    "401": ("Unauthorized", "The server asks for an API key, and the request has none that is right."),
    "404": ("NotFound", "The model is not served."),
    "408": ("Slow", "The body did not arrive within the time one request may take."),
    "413": ("TooLarge", "The body is larger than the server takes."),
    "415": ("UnreadEncoding", "The body is compressed otherwise than by gzip or deflate."),
    "422": ("Unprocessable", "A field is not what the path takes: TEI's status for it."),
    "424": ("FailedDependency", "The model cannot do this, or the server failed: TEI's status for it."),
    "429": ("Overloaded", "Too much is being answered or waits: TEI's status for it."),
    "500": ("Failure", "The server failed to answer; its log has the reason."),
    "503": ("Busy", "Too much is being answered or waits: try again after the seconds in Retry-After."),
    "504": ("Late", "The answer was not there within the time one request may take."),
}
_TEI_ALONE = ("422", "424", "429")
# Those that can meet a request without a body; its query may name a model.
_WITHOUT_BODY = ("401", "404", "500")
_ERRORS = (("All others", ErrorBody), (tei.DIALECT, tei.TEIErrorBody), (weaviate.DIALECT, weaviate.WeaviateErrorBody))
# A place in a path, with or without what Starlette is told of it.
_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
_HEADERS = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The description of all `endpoints` as JSON's types, of the server's `version`.

    Endpoints that share a path and a method are one operation, which takes and gives what any of them does.
    """
    shared: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        for path in endpoint.paths:
            shared.setdefault((path, endpoint.method), []).append(endpoint)

    bodies = (body for endpoint in endpoints for body in (endpoint.request, endpoint.response))
    types = list(_distinct([*dict(_ERRORS).values(), *_types(bodies)]))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(types, schemas, strict=True))
    requests = [schema_of[kind] for kind in _distinct(_types(endpoint.request for endpoint in endpoints))]
    for name in _reached(requests, components):
        _allow_nulls(components[name])

    paths: dict[str, Schema] = {}
    for (path, method), sharing in shared.items():
        templated = _PLACE.sub(r"{\1}", path)
        paths.setdefault(templated, {})[method.lower()] = _operation(templated, method, sharing, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ScoreRT",
            "version": version,
            "summary": "Relevance scores of queries and documents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "tags": _tags(paths),
        # A server that was started without API keys takes requests without one.
        "security": [{}, {"bearer": []}, {"header": []}],
        "components": {
            "schemas": components,
            "responses": {name: _failure(meaning, schema_of) for name, meaning in _FAILURES.values()},
            "headers": {
                "RequestId": {
                    "description": "Names the request in the server's log.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "Api-Key"},
            },
        },
    }


def _tags(paths: Mapping[str, Schema]) -> list[Schema]:
    """The dialects that operations stand under, the one with most of them first."""
    counted = Counter(operation["tags"][0] for methods in paths.values() for operation in methods.values())
    return [{"name": dialect} for dialect, _ in counted.most_common()]


def _reached(schema: Any, components: Mapping[str, Schema]) -> set[str]:
    """The components that a schema refers to, and those that they refer to."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.rsplit("/", 1)[-1]) not in found:
                found.add(name)
                waiting.append(components[name])
            case dict() as part:
                waiting += part.values()
            case list() as parts:
                waiting += parts
    return found


def _allow_nulls(component: Schema) -> None:
    """Say what `decoding.decode` does: a null is as good as leaving a field out that may be."""
    for name, schema in component.get("properties", {}).items():
        kinds = schema.get("anyOf", [schema])
        if name not in component.get("required", []) and {"type": "null"} not in kinds:
            about = {key: schema.pop(key) for key in ("default", "examples") if key in schema}
            component["properties"][name] = {"anyOf": [*kinds, {"type": "null"}]} | about


def _operation(path: str, method: str, sharing: Sequence[Endpoint], schema_of: Schemas) -> Schema:
    requests = [endpoint.request for endpoint in sharing if endpoint.request is not None]
    is_tei = any(endpoint.dialect == tei.DIALECT for endpoint in sharing)
    failures = [status for status in (_FAILURES if requests else _WITHOUT_BODY) if is_tei or status not in _TEI_ALONE]
    if is_tei and not requests:
        failures.append("424")
    operation: Schema = {
        "operationId": _operation_id(path, method),
        # The last takes any body, so its words are the path's.
        "summary": sharing[-1].summary,
        "tags": [sharing[-1].dialect],
        "responses": {"200": _answer(sharing, schema_of)}
        | {status: {"$ref": f"#/components/responses/{_FAILURES[status][0]}"} for status in failures},
    }
    if method == "GET" and path in OPEN_PATHS:
        operation["security"] = []
        operation["responses"].pop("401", None)
    if places := _PLACE.findall(path):
        operation["parameters"] = [
            {"name": place, "in": "path", "required": True, "schema": {"type": "string"}} for place in places
        ]
    if description := _description(sharing):
        operation["description"] = description
    if requests:
        operation["requestBody"] = {
            "required": len(requests) == len(sharing),
            "content": {
                "application/json": {
                    "schema": _any_of([(own.dialect, own.request) for own in reversed(sharing)], schema_of),
                    "examples": _examples(sharing),
                }
            },
        }
    return operation


def _operation_id(path: str, method: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _description(sharing: Sequence[Endpoint]) -> str:
    """What the body's docstring says; or, where several share the path, which of them a request is for."""
    if len(sharing) == 1:
        return _docstring(sharing[0].request)
    rows = []
    for endpoint in sharing:
        does = "" if endpoint.summary == sharing[-1].summary else f". {endpoint.summary}"
        rows.append(f"- **{endpoint.dialect}**: {endpoint.told_by or 'any other'}{does}")
    return "\n".join(["The first that knows a request as its own answers:\n", *rows])


def _examples(sharing: Sequence[Endpoint]) -> Schema:
    """A body of each that has one, by its dialect; the one that takes any body first."""
    examples: Schema = {}
    for endpoint in reversed(sharing):
        if endpoint.example is not None:
            name = endpoint.dialect
            if name in examples:
                name = f"{name}: {endpoint.told_by}"
            examples[name] = {"summary": name, "value": endpoint.example}
    return examples


def _docstring(kind: Any) -> str:
    """Its own, not one that it inherits."""
    own = vars(kind).get("__doc__") if isinstance(kind, type) else None
    return inspect.cleandoc(own) if own else ""


def _answer(sharing: Sequence[Endpoint], schema_of: Schemas) -> Schema:
    answer: Schema = {"description": "The answer.", "headers": _HEADERS}
    responses = [(own.dialect, own.response) for own in reversed(sharing) if own.response is not None]
    if responses:
        answer["content"] = _json(_any_of(responses, schema_of))
    if any(Binary in get_args(response) for _, response in responses):
        answer["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    return answer


def _failure(meaning: str, schema_of: Schemas) -> Schema:
    return {"description": meaning, "headers": _HEADERS, "content": _json(_any_of(_ERRORS, schema_of))}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _any_of(bodies: Iterable[tuple[str, Any]], schema_of: Schemas) -> Schema:
    """Any of the bodies, each under the name of its dialect, where there are several."""
    titles: dict[Any, str] = {}
    for dialect, body in bodies:
        for kind in _types([body]):
            titles.setdefault(kind, dialect)
    if len(titles) == 1:
        return schema_of[next(iter(titles))]
    return {"anyOf": [schema_of[kind] | {"title": title} for kind, title in titles.items()]}


def _types(bodies: Iterable[Any]) -> Iterator[Any]:
    """Those in JSON, and the members of a union one by one: msgspec describes unions of tagged structs only."""
    for body in bodies:
        if get_origin(body) in (Union, UnionType):
            yield from _types(get_args(body))
        elif body not in (None, Binary):
            yield body


def _distinct(items: Iterable[Any]) -> Iterable[Any]:
    return dict.fromkeys(items)
