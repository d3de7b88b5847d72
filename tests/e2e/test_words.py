"""Each dialect's errors speak of its own fields: what one says to change is there to be changed."""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from api.dialects import ENDPOINTS
from api.dialects.tei.predict import PredictRequest
from api.endpoint import Endpoint
from tests.e2e.server import Server
from tests.manifests import edit_manifest

pytestmark = pytest.mark.slow

LONG = "Cows eat grass. " * 12
TEMPLATE = """{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}[SEP]"""
MOST = 40
MODELS = {
    "plain": "minilm-ce",
    "templated": "minilm-ce",
    "bi": "minilm-bi",
    "cut": "minilm-bi",
    "col": "minilm-colbert",
}
VALUES = ["-2", "0", "1000000", "1e999", '"nonsense"']
WAYS = ["refuse", "truncate", "chunk"]

# What a sentence says to set, and what must be otherwise.
TOLD = (r"\bset (\w+(?:\.\w+)*)", r"^(\w+(?:\.\w+)*) must\b")
# What sentences call things that are no field of any body.
ELSEWHERE = {"max_model_len", "image_url", "model_type"}


@pytest.fixture(scope="module")
def server(contract_artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("short")
    for name, own in MODELS.items():
        shutil.copytree(contract_artifacts[own], folder / name)
        changes: dict[str, Any] = {"name": name, "max_length": MOST}
        if name == "cut":
            changes["matryoshka"] = [32, 64]
        edit_manifest(folder / name, lambda manifest, changes=changes: manifest.update(changes))  # type: ignore[misc]
    template = folder / "score.jinja"
    template.write_text(TEMPLATE)
    models = [folder / name for name in MODELS]
    with Server("--model", *models, "--chat-template", f"templated={template}", "--threads", "1") as server:
        yield server


def fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a body and of the structs in it, by their paths, and their types."""
    found: dict[str, Any] = {}
    if kind is msgspec.Raw:
        kind = PredictRequest
    for own in msgspec.structs.fields(kind):
        found[own.encode_name] = own.type
        for inner in (own.type, *get_args(own.type)):
            if hasattr(inner, "__struct_fields__"):
                found |= {f"{own.encode_name}.{name}": its for name, its in fields_of(inner).items()}
    return found


EVERY = {
    part
    for endpoint in ENDPOINTS
    if endpoint.request is not None
    for name in fields_of(endpoint.request)
    for part in name.split(".")
}
# Those that no sentence has as an ordinary word.
NAMES = {name for name in EVERY if "_" in name} | {"dimensions", "dimension"}
POSTED = [endpoint for endpoint in ENDPOINTS if endpoint.request is not None]


def changed(body: dict[str, Any], path: str, value: str) -> str | None:
    """The body as JSON, with a value in the place of a field's; None where that is in a list."""
    *outer, name = path.split(".")
    copy = json.loads(json.dumps(body))
    target = copy
    for part in outer:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            return None
    target[name] = "VALUE"
    return json.dumps(copy).replace('"VALUE"', value)


def lengthened(value: Any) -> Any:
    match value:
        case dict():
            return {name: own if name in ("type", "role") else lengthened(own) for name, own in value.items()}
        case list():
            return [*map(lengthened, value)]
        case str() if " " in value:
            return value + LONG
    return value


def bodies(endpoint: Endpoint) -> Iterator[tuple[str | None, bool]]:
    """Bodies with each field wrong in every way, and with texts that are too long in each of the ways there are; and
    whether what becomes of them depends on the model."""
    assert endpoint.example is not None
    fields = fields_of(endpoint.request)
    short = dict(endpoint.example)
    long = lengthened(short)
    yield json.dumps(long), True
    for path, value in product(fields, VALUES):
        yield changed(short, path, value), re.search("dimension|top_|max_|trunc", path) is not None
    if "long_documents" in fields:
        for way in WAYS:
            yield json.dumps(long | {"long_documents": way}), True
            yield json.dumps(short | {"query": LONG, "long_documents": way}), True
    bounds = [path for path, kind in fields.items() if re.search("max_|chunk|trunc", path)]
    for path, value, way in product(bounds, ["1", "12", "false", '"left"', '"NONE"'], [None, "refuse", "chunk"]):
        if way is None or "long_documents" in fields:
            yield changed(long | ({} if way is None else {"long_documents": way}), path, value), True


def wrong(sentence: str, parameter: str | None, fields: set[str], task: str) -> str | None:
    """What a sentence has that the body has not."""
    words = set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", sentence)) | NAMES & set(re.findall(r"\w+", sentence))
    told = {found for pattern in TOLD for found in re.findall(pattern, sentence)}
    parts = {part for path in fields for part in path.split(".")}
    foreign = (words & NAMES) - parts | {path for path in told - {"The", "body"} if path not in fields}
    top = None if parameter is None else parameter.removeprefix("body").removeprefix(".").partition(".")[0]
    if top and not top.isdecimal() and top not in {*parts, "input_tokens", "task", "image"}:
        foreign.add(f"param {parameter}")
    return f"{sorted(foreign - ELSEWHERE)} in {sentence!r} {task}" if foreign - ELSEWHERE else None


@pytest.mark.parametrize("endpoint", POSTED, ids=lambda own: f"{own.paths[0]} {own.dialect} {own.request.__name__}")
def test_no_error_names_a_field_that_its_body_has_not(server: Server, endpoint: Endpoint) -> None:
    fields = set(fields_of(endpoint.request))
    headers = {"Content-Type": "application/json"}
    if endpoint.dialect == "Pinecone":
        headers["X-Pinecone-API-Version"] = "2025-10"
    faults, refused = [], 0
    for body, depends in bodies(endpoint):
        names = [*MODELS] if "model" in fields or "{" in endpoint.paths[0] else ["plain"]
        for model in names if depends else names[:1]:
            if body is None:
                continue
            path = re.sub(r"\{.*\}", model, endpoint.paths[0])
            sent = body if "{" in path or "model" not in fields else f'{{"model": "{model}", {body[1:]}'
            answer = server.client.post(path, content=sent, headers=headers)
            if answer.status_code in (200, 404):
                continue
            told = answer.json()
            assert answer.status_code < 500, (sent[:300], told)
            parameter = told["error"]["param"] if isinstance(told["error"], dict) else None
            refused += 1
            faults.append(wrong(told["message"], parameter, fields, sent[:200]))
    assert refused > 3
    assert {fault for fault in faults if fault} == set()
