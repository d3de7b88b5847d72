from datetime import datetime
from typing import Any

import msgspec
import pytest

from api.dialects import ENDPOINTS
from api.dialects.cohere.embed import EmbedRequest
from api.dialects.tei.similarity import SimilarityRequest
from api.dialects.vllm.embeddings import EmbeddingsRequest
from api.dialects.vllm.pooling import PooledConversation
from api.dialects.vllm.rerank import RerankRequest
from api.dialects.voyage.multimodal import MultimodalRequest
from api.errors import InvalidRequest
from api.wire import decoding
from api.wire.decoding import decode

_GOOD = b'{"query": "q", "documents": ["d"]'


@pytest.mark.parametrize(
    ("body", "parameter", "message"),
    [
        (b"", "body", "The body is empty: send a JSON object."),
        (b"[1, 2]", "body", "The body must be an object, not a list."),
        (b"null", "body", "The body must be an object, not null."),
        (b'{"query": ', "body.10", "The body is not valid JSON from byte 10 on."),
        (b'{"query": x}', "body.10", "The body is not valid JSON from byte 10 on."),
        (_GOOD + b', "x": NaN}', "body.40", "The body is not valid JSON from byte 40 on."),
        (b'{"query": "\xff"}', "body", "The body is not valid UTF-8: encode its JSON as UTF-8."),
        (b'{"documents": []}', "body.query", "query is missing: add it."),
        (b'{"query": 1}', "body.query", "query must be a string or an object, not an integer."),
        (b'{"query": ["q"]}', "body.query", "query must be a string or an object, not a list."),
        (b'{"query": true}', "body.query", "query must be a string or an object, not true or false."),
        (b'{"query": {}}', "body.query", "query must have text, image or both, or else content."),
        (
            b'{"query": {"text": "q", "content": []}}',
            "body.query",
            "query must have text, image or both, or else content.",
        ),
        (
            b'{"query": {"content": [{"type": "text"}]}}',
            "body.query",
            "query.content[0] must have text, being of type text.",
        ),
        (b'{"query": {"content": [{}]}}', "body.query", "query.content[0].type is missing: add it."),
        (
            b'{"query": "q", "documents": ["d", null]}',
            "body.documents",
            "documents[1] must be a string or an object, not null.",
        ),
        (
            b'{"query": "q", "documents": 1}',
            "body.documents",
            "documents must be a string, an object or a list, not an integer.",
        ),
        (_GOOD + b', "top_n": "x"}', "body.top_n", "top_n must be an integer, not a string."),
        (_GOOD + b', "top_n": 1.5}', "body.top_n", "top_n must be an integer, not a decimal number."),
        (
            _GOOD + b', "return_documents": "maybe"}',
            "body.return_documents",
            "return_documents must be true or false, not a string.",
        ),
        (_GOOD + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body", None),
    ],
)
def test_refusals_name_the_field(body: bytes, parameter: str, message: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(body, RerankRequest)
    assert raised.value.parameter == parameter
    assert message is None or str(raised.value) == message


def test_null_is_as_good_as_absent_for_options() -> None:
    options = b', "model": null, "top_n": null, "return_documents": null, "truncate_prompt_tokens": null}'
    assert decode(_GOOD + options, RerankRequest) == decode(_GOOD + b"}", RerankRequest)


@pytest.mark.parametrize(
    "kind", [endpoint.request for endpoint in ENDPOINTS if hasattr(endpoint.request, "__struct_fields__")]
)
def test_null_means_the_default_of_every_field_that_has_one(kind: Any) -> None:
    """Whatever is wrong with a body of nulls alone is a field without a default."""
    fields = msgspec.structs.fields(kind)
    nulls = dict.fromkeys(own.name for own in fields if not own.required)
    required = {own.name for own in fields if own.required}
    if required:
        with pytest.raises(InvalidRequest) as refused:
            decode(msgspec.json.encode(nulls), kind)
        assert refused.value.parameter in {f"body.{name}" for name in required}
    else:
        assert decode(msgspec.json.encode(nulls), kind) == kind()


def test_null_means_the_default_inside_of_lists_too() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:,", "detail": None}, "text": None, "uuid": None}
    body = {"query": "q", "documents": ["d", {"content": [part]}], "top_n": None, "model": None}
    (_, document) = decode(msgspec.json.encode(body), RerankRequest).documents
    assert document.content[0].text is msgspec.UNSET
    with pytest.raises(InvalidRequest, match=r"^query must be a string or an object, not null\.$"):
        decode(b'{"query": null, "documents": []}', RerankRequest)
    with pytest.raises(InvalidRequest, match=r"^documents\[1\] must be a string or an object, not null\.$"):
        decode(b'{"query": "q", "documents": ["d", null]}', RerankRequest)


def test_many_nulls_are_one_more_reading() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:,"}, "text": None}
    body = msgspec.json.encode({"query": "q", "documents": [{"content": [part]}] * 20_000})
    assert len(decode(body, RerankRequest).documents) == 20_000
    deep = b'{"query": "q", "documents": ["d"], "use_activation": null, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(InvalidRequest):
        decode(deep, RerankRequest)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_bodies_are_read_in_every_encoding_that_json_may_have(encoding: str) -> None:
    body = '{"query": "Größe 😀", "documents": ["d"]}'.encode(encoding)
    assert decode(body, RerankRequest).query == "Größe 😀"
    with pytest.raises(InvalidRequest, match="is not valid JSON from byte"):
        decode('{"query": "Größe"'.encode(encoding), RerankRequest)


def test_a_body_is_mended_once() -> None:
    for body in (b"\xef\xbb\xbf" * 2000, "\ufeff".encode("utf-16") * 2000, b"\xef\xbb\xbf" * 2 + _GOOD + b"}"):
        with pytest.raises(InvalidRequest, match="is not valid JSON from byte 0 on"):
            decode(body, RerankRequest)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"bad \ud83d", "bad \ufffd"),
        (r"\ude00 bad", "\ufffd bad"),
        (r"\ud83d\ud83d\uDE00!", "\ufffd😀!"),
        (r"\ud83dx\ude00", "\ufffdx\ufffd"),
        (r"\ud83d\u0041", "\ufffdA"),
        (r"C:\\ud83d \ud83d", "C:\\ud83d \ufffd"),
        (r"\\\ud83d\"", '\\\ufffd"'),
    ],
)
def test_half_a_surrogate_pair_harms_no_neighbour(written: str, read: str) -> None:
    body = f'{{"query": "{written}", "documents": ["ok", "{written}"]}}'.encode()
    assert decode(body, RerankRequest) == RerankRequest(query=read, documents=["ok", read])


def test_unknown_fields_are_ignored() -> None:
    assert decode(_GOOD + b', "banana": {"a": [1]}}', RerankRequest) == decode(_GOOD + b"}", RerankRequest)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (datetime, "The body must be of type datetime, not an integer."),
        (bytes | None, "The body must be of type bytes, not an integer."),
        (type(None), "The body must be null, not an integer."),
    ],
)
def test_types_that_no_dialect_has_yet_are_named_too(kind: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(b"1", kind)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("body", "kind", "path", "choices"),
    [
        (
            b'{"input": "a", "encoding_format": "x"}',
            EmbeddingsRequest,
            "encoding_format",
            "'float', 'base64', 'bytes' or 'bytes_only'",
        ),
        (
            b'{"inputs": {"source_sentence": "a", "sentences": []}, "parameters": {"prompt_name": "x"}}',
            SimilarityRequest,
            "parameters.prompt_name",
            "'query', 'document' or 'passage'",
        ),
        (
            b'{"texts": ["a"], "embedding_types": ["float", "x"]}',
            EmbedRequest,
            "embedding_types[1]",
            "'float', 'int8', 'uint8', 'binary', 'ubinary' or 'base64'",
        ),
        (
            b'{"messages": [{"role": "tool", "content": "x"}]}',
            PooledConversation,
            "messages[0].role",
            "'system', 'developer', 'user' or 'assistant'",
        ),
    ],
)
def test_a_choice_names_what_there_is(body: bytes, kind: Any, path: str, choices: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(body, kind)
    assert str(raised.value) == f"{path} must be {choices}."
    assert raised.value.parameter == f"body.{path.split('.')[0].split('[')[0]}"


@pytest.mark.parametrize(
    ("body", "kind", "path"),
    [
        (b'{"messages": []}', PooledConversation, "messages"),
        (b'{"inputs": [{"content": []}]}', MultimodalRequest, "inputs[0].content"),
    ],
)
def test_a_list_that_may_not_be_empty_says_so(body: bytes, kind: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(body, kind)
    assert str(raised.value) == f"{path} has too few elements: give it at least 1."


@pytest.mark.parametrize("kind", dict.fromkeys(endpoint.request for endpoint in ENDPOINTS if endpoint.request))
def test_every_request_has_a_decoder(kind: Any) -> None:
    with pytest.raises(InvalidRequest):
        decode(b"x", kind)


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "1e999", "-1e400"], ids=lambda own: own[:6])
@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (RerankRequest, '{"query": "q", "documents": ["d"], "top_n": N}', "top_n"),
        (RerankRequest, '{"query": N, "documents": ["d"]}', "query"),
        (RerankRequest, '{"query": "q", "documents": [], "chat_template_kwargs": {"a": [N]}}', "chat_template_kwargs"),
        (EmbeddingsRequest, '{"input": [[1, N]]}', "input"),
        (SimilarityRequest, '{"inputs": {}, "parameters": {"truncate": N}}', "parameters"),
        (EmbedRequest, '{"texts": ["a"], "max_tokens": "1", "output_dimension": N}', "output_dimension"),
    ],
)
def test_a_number_that_is_out_of_range_is_told_of_its_field(kind: Any, body: str, field: str, number: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(body.replace("N", number).encode(), kind)
    assert str(raised.value) == f"{field} has a number that is out of range: send a smaller one."
    assert raised.value.parameter == f"body.{field}"


def test_what_is_no_object_at_all_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="The body must be an object"):
        decode(b"[1e999]", RerankRequest)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_bodies_are_decoded_alike_in_pieces(encoding: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_PIECE", size)
    body = '{"query": "é \U0001f600 \u20ac", "documents": ["d"]}'.encode(encoding)
    assert decode(body, RerankRequest).query == "é \U0001f600 \u20ac"
