"""Bodies of very many values are refused before they are decoded."""

import json
import time

import pytest

from api.errors import InvalidRequest
from api.limits import Limits
from api.wire.values import require_few_values

MANY = {
    "lists": b'{"input":[' + b"[]," * 7_000_000 + b"[]]}",
    "objects": b'{"documents":[' + b"{}," * 7_000_000 + b"{}]}",
    "numbers": b'{"input":[' + b"1," * 10_000_000 + b"1]}",
    "strings": b'{"input":[' + b'"a",' * 5_000_000 + b'"a"]}',
    "nested": b'{"input":' + b"[" * 20_000_000,
    "escapes": b'{"input":["' + b'\\"' * 10_000_000 + b'"' + b",[]" * 500_000 + b"]}",
}


@pytest.mark.parametrize("kind", MANY)
def test_too_many_values(kind: str) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidRequest, match=r"The body has more than [\d,]+ (lists and objects|values), the most"):
        require_few_values(MANY[kind], Limits())
    assert time.process_time() - begun < 3


def test_what_texts_hold_does_not_count() -> None:
    text = '[{"a": [1, 2, 3]}], \\" \\\\' * 500_000
    require_few_values(json.dumps({"query": text, "documents": [text, '"', "\\"]}).encode(), Limits())


def test_what_limits_allow_passes() -> None:
    limits = Limits(max_documents=10, max_request_tokens=300_000)
    require_few_values(json.dumps({"input": [1] * 300_000}).encode(), limits)
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}] * 1000
    require_few_values(json.dumps({"documents": [{"content": parts}] * 10}).encode(), limits)
