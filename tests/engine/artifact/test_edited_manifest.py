"""A manifest that was edited by hand, its seal removed, is refused by name or scores as before."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import ArtifactError, Engine
from engine.artifact.artifact import MANIFEST

DEFAULT = Path(__file__).parents[3] / "models" / "all-MiniLM-L6-v2"
WHOLE = json.loads((DEFAULT / MANIFEST).read_text())
# What a layout says is what is meant, as far as the graph runs on it.
MEANT = {"query", "document"}
Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every field of a manifest, with what it has."""
    if place:
        yield place, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, own in inner:
        yield from places(own, (*place, key))


def edits(value: Any) -> list[Any]:
    """Another value of the same type, and one of another."""
    if isinstance(value, bool):
        return [not value, "x"]
    if isinstance(value, int):
        return [value * 1000 + 7, -1]
    if isinstance(value, str):
        return [f"{value}x", 7]
    return [[]] if isinstance(value, list) else [{}] if isinstance(value, dict) else ["x"]


def edited(folder: Path, place: Place, value: Any) -> Path:
    manifest = json.loads(json.dumps(WHOLE))
    target = manifest
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def unsealed(tmp_path: Path) -> Path:
    for name in WHOLE["files"]:
        (tmp_path / name).symlink_to(DEFAULT / name)
    return tmp_path


def scores(folder: Path) -> Any:
    engine = Engine.load(folder, threads=1)
    try:
        return engine.score("a cat", ["the cat sat", "dogs bark " * 300], truncate_prompt_tokens=-1).scores
    finally:
        engine.close()


@pytest.mark.slow
def test_each_field_is_refused_by_name_or_changes_nothing(unsealed: Path) -> None:
    want = scores(DEFAULT)
    named: list[bool] = []
    for place, own in places(WHOLE):
        for value in edits(own):
            try:
                got = scores(edited(unsealed, place, value))
            except ArtifactError as error:
                named.append(str(unsealed) in str(error) or WHOLE["name"] in str(error))
                continue
            if place[0] not in MEANT:
                np.testing.assert_allclose(got, want, atol=1e-6, err_msg=f"{place} {value!r}")
    assert len(named) > 50
    assert all(named)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            ("graphs", 0, "inputs", 0, "name"),
            "ids",
            "its inputs are attention_mask, ids, token_type_ids, and",
        ),
        (("graphs", 0, "inputs", 0, "type"), "int32", "its input input_ids is of int32, and the graph has int64"),
        (("graphs", 0, "inputs", 0, "dims"), ["batch"], "its input input_ids is ['batch'], and the graph has"),
        (("graphs", 0, "outputs", 0, "dims", 1), 100, "has dimension 384, and its graph's embeddings have 100 numbers"),
        (("graphs", 0, "outputs", 0, "type"), "float16", "its output embeddings is of float16, and the graph has"),
        (("dimension",), 100, "has dimension 100, and its graph's embeddings have 384 numbers"),
        (("max_length",), 5000, "does not run on what the manifest says it reads, up to max_length 5000"),
        (("max_length",), 3, "has max_length 3, too short for any text"),
        (("pad_token",), -5, "has the token -5, which no vocabulary has"),
        (("document", "prefix", 0), 999_999, "has the token 999999, which tokenizer.json has not"),
        (("query", "skip"), [10**6], "has the token 1000000, which tokenizer.json has not"),
        (("special_tokens", "sep_token"), 10**25, "which tokenizer.json has not"),
        (("pad_token",), 10**25, "which tokenizer.json has not"),
        (("query", "max_length"), 10**9, "at `$.query.max_length`"),
        (("query", "max_length"), "long", "at `$.query.max_length`"),
        (("query", "max_length"), 2, "the longest text leaves no room"),
        (("query", "expand_to"), 32, "expand_to and expansion_token go together - at `$.query`"),
        (("query", "expansion_token"), 3, "expand_to and expansion_token go together - at `$.query`"),
        (("query",), {**WHOLE["query"], "expand_to": 300, "expansion_token": 0}, "has a query that is expanded to 300"),
        (("document", "adapter"), 0, "has a document with an adapter, and no graph has that input"),
        (("document", "pictured"), "{pictures}{text}", "has a document with pictures, and does not say how they are"),
        (("query", "blank"), 32, "blank is a picture, and the layout has no prompt for one"),
        (("query", "prefix"), [101] * 256, "has max_length 256, and query has 257 tokens around texts"),
        (("max_length",), 10**10, "at `$.max_length`"),
        (("created",), 10**25, "at `$.created`"),
        (("matryoshka",), [0], "at `$.matryoshka[0]`"),
        (("matryoshka",), [64, 1000], "has embeddings of 384 numbers, and matryoshka cuts them to 1000"),
        (("activation",), "sigmoid", "has activation, which a bi-encoder has no use for"),
        (("template",), "tokenizer.json", "has template, which a bi-encoder has no use for"),
        (("graphs", 0, "multiple"), 1000, "has a graph for multiples of 1000 tokens, and max_length 256"),
        (("graphs", 0, "max_batch"), 10**25, "at `$.graphs[0].max_batch`"),
        (("graphs", 0, "role"), "vision", "lacks a graph for texts"),
        (("graphs", 0, "file"), "other.onnx", "does not list other.onnx"),
        (("score_type",), "cross-encoder", "lacks pair and activation, which a cross-encoder needs"),
    ],
)
def test_what_is_wrong_is_named(unsealed: Path, place: Place, value: Any, sentence: str) -> None:
    with pytest.raises(ArtifactError) as raised:
        Engine.load(edited(unsealed, place, value))
    assert sentence in str(raised.value)
