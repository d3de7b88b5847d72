"""Held against pydantic itself, whose lax mode vLLM's requests have."""

from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from api.dialects.tei.tokens import DecodeRequest
from api.dialects.vllm.embeddings import EmbeddingsRequest
from api.dialects.vllm.pooling import PoolingRequest
from api.dialects.vllm.rerank import RerankRequest
from api.dialects.vllm.score import ScoreRequest
from api.dialects.vllm.tokens import DetokenizeRequest
from api.errors import InvalidRequest
from api.wire.decoding import decode
from api.wire.lax import members

_FINITE = pydantic.ConfigDict(allow_inf_nan=False)
_VALUES = [
    *(
        "1",
        "0",
        "-1",
        "+1",
        "01",
        "-0",
        "2",
        "1.0",
        "0.0",
        "1.00",
        "1.5",
        "1.",
        ".0",
        "1.0_0",
        "1_000",
        "1_0.0",
        "1__0",
    ),
    *("_1", "1e3", "1e0", "0x1", "\uff11", "true", "True", "TRUE", "tRUE", "yes", "YES", "on", "On", "off", "no", "n"),
    *("y", "t", "f", "false", "FALSE", "maybe", "null", "", "  ", " 1 ", "\n1\t", " true", "9" * 30, "9" * 4301),
    *(0, 1, 2, -1, 2**70, 0.0, 1.0, 1.5, 2.0, -3.0, 1e300, 2.0**63, 2.0**63 - 1024, True, False, [], {}, [1]),
]


@pytest.mark.parametrize("kind", [int, bool, float, str, int | None, bool | None, str | int, Literal["1"] | int])
def test_numbers_and_truth_values_are_read_as_pydantic_reads_them(kind: Any) -> None:
    body, oracle = msgspec.defstruct("Body", [("field", kind)]), pydantic.TypeAdapter(kind, config=_FINITE)
    for value in _VALUES:
        try:
            expected = oracle.validate_python(value)
        except pydantic.ValidationError:
            with pytest.raises(InvalidRequest):
                decode(msgspec.json.encode({"field": value}), body)
            continue
        read = decode(msgspec.json.encode({"field": value}), body).field
        assert (read, type(read)) == (expected, type(expected)), value


@pytest.mark.parametrize("value", [["1"], "1", ["1", "2"], [1, 2], [[1, 2]]])
def test_texts_stay_texts_where_token_ids_are_taken_too(value: Any) -> None:
    oracle = pydantic.TypeAdapter(list[int] | list[list[int]] | str | list[str])
    assert decode(msgspec.json.encode({"input": value}), PoolingRequest).input == oracle.validate_python(value)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (PoolingRequest, "input", [True]),
        (PoolingRequest, "input", [1.0, 2.0]),
        (PoolingRequest, "input", [[True, "1"]]),
        (EmbeddingsRequest, "input", [1.0]),
        (DetokenizeRequest, "tokens", ["7592", True]),
        (DecodeRequest, "ids", [1.0, True]),
        (DecodeRequest, "ids", [["1"]]),
    ],
)
def test_token_ids_stay_what_they_are(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode(msgspec.json.encode({field: value}), kind)
    assert field in str(refused.value)


def test_fields_are_lax_beside_texts_that_are_not() -> None:
    body = {"query": "1", "documents": ["1", "true", {"text": "1.0"}], "top_n": "1", "return_documents": "no"}
    read = decode(msgspec.json.encode(body | {"max_tokens_per_doc": 100.0, "priority": True}), RerankRequest)
    assert (read.query, read.documents[:2], read.documents[2].text) == ("1", ["1", "true"], "1.0")
    assert (read.top_n, read.return_documents, read.max_tokens_per_doc, read.priority) == (1, False, 100, 1)


@pytest.mark.parametrize("value", [1, 1.0, True, None])
def test_texts_must_be_texts(value: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^query must be a string or an object, not "):
        decode(msgspec.json.encode({"query": value, "documents": ["d"], "top_n": "1"}), RerankRequest)


def test_what_is_lax_stands_inside_of_everything() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:,", "detail": None}}
    body = {"queries": [{"content": [part]}], "documents": ["a"], "use_activation": "false"}
    assert decode(msgspec.json.encode(body), ScoreRequest).use_activation is False
    assert members(Annotated[list[int] | None, 0] | bool) == (list[int], type(None), bool)
