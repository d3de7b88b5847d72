"""Answers are JSON whatever their size, and no call of the encoder is long."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from api.wire.answers import encoded, joined, numbers


class Row(msgspec.Struct, omit_defaults=True):
    values: list[float]
    name: str | None = None


class Answer(msgspec.Struct, rename={"rows": "data"}, tag_field="type", tag="rows"):
    rows: list[Row]
    kind: str = "list"


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 32, 300])
def test_answers_are_the_same_in_parts(count: int) -> None:
    rows = [Row([number / 7] * 3, "\0x" if number % 2 else None) for number in range(count)]
    for answer in (Answer(rows), rows, [rows, []], list(range(count)), {"a": rows, "b": {"c": [rows] * 20}}):
        assert b"".join(encoded(answer)) == msgspec.json.encode(answer)


def random(*shape: int) -> Any:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


ARRAYS = {
    "float32": random(3000, 24),
    "one row": random(1, 20),
    "one long row": random(1, 50_000),
    "short rows": random(70_000, 1),
    "no rows": random(0, 24),
    "empty rows": random(3, 0),
    "int8": random(3000, 24).astype(np.int8),
    "not finite": np.array([[np.nan, np.inf, -np.inf, 1e-40, -0.0, 16777216]], np.float32),
    "columns": random(24, 3000).T,
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_written_as_their_lists(kind: str) -> None:
    array = ARRAYS[kind]
    rows, lists = list(array), [row.tolist() for row in array]
    for answer, want in (
        (numbers(array), array.tolist()),
        (numbers(array.ravel()), array.ravel().tolist()),
        ({"before": array, "rows": rows, "after": array[:1]}, {"before": lists, "rows": lists, "after": lists[:1]}),
        (Answer([Row(row, "x") for row in rows]), Answer([Row(row, "x") for row in lists])),
        ([[array], "between", [array] * 3], [[lists], "between", [lists] * 3]),
    ):
        assert b"".join(encoded(answer)) == msgspec.json.encode(want)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no part of an answer"):
        encoded([object()])


TOKENS = [random(400, 128) for _ in range(40)]
LARGE = {
    "token embeddings": TOKENS,
    "rows of objects": {"data": [Row(row, "x") for tokens in TOKENS for row in tokens]},
    "one array": np.concatenate(TOKENS),
    "long rows": random(40, 8000),
    "base64": [Row("A" * 40_000) for _ in range(400)],  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", LARGE)
def test_no_call_of_the_encoder_is_long(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call writes little, and few numbers are Python's at a time."""
    written, floats = [], []
    encode = msgspec.json.encode

    def counted(value: Any, **options: Any) -> bytes:
        result = encode(value, **options)
        written.append(len(result))
        floats.append(sum(len(row) for row in value if isinstance(row, list)) if isinstance(value, list) else 0)
        return result

    monkeypatch.setattr(msgspec.json, "encode", counted)
    parts = encoded(LARGE[kind])
    assert sum(map(len, parts)) > 5_000_000
    assert max(written) < 1_000_000
    assert max(floats) <= 16_384
    assert max(map(len, parts)) < 3_000_000
    json.loads(b"".join(parts))


def test_short_parts_are_sent_together() -> None:
    parts = [b"ab" * 500] * 5000
    together = list(joined(parts))
    assert b"".join(together) == b"".join(parts)
    assert len(together) == 5
    assert list(joined([])) == []
