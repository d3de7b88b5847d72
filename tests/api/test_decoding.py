import msgspec
import pytest

from api.decoding import decode
from api.errors import InvalidRequest
from api.schemas import RerankRequest

_decoder = msgspec.json.Decoder(RerankRequest)

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
        (b'{"query": {}}', "body.query", "query must have text or content."),
        (b'{"query": {"content": []}}', "body.query", "query must have text or content."),
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
        (_GOOD + b', "top_n": "2"}', "body.top_n", "top_n must be an integer, not a string."),
        (_GOOD + b', "top_n": true}', "body.top_n", "top_n must be an integer, not true or false."),
        (_GOOD + b', "top_n": 1.5}', "body.top_n", "top_n must be an integer, not a decimal number."),
        (
            _GOOD + b', "return_documents": "no"}',
            "body.return_documents",
            "return_documents must be true or false, not a string.",
        ),
        (_GOOD + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body", None),
    ],
)
def test_refusals_name_the_field(body: bytes, parameter: str, message: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(_decoder, body)
    assert raised.value.parameter == parameter
    assert message is None or str(raised.value) == message


def test_null_is_as_good_as_absent_for_options() -> None:
    options = b', "model": null, "top_n": null, "return_documents": null, "truncate_prompt_tokens": null}'
    assert decode(_decoder, _GOOD + options) == decode(_decoder, _GOOD + b"}")


def test_unknown_fields_are_ignored() -> None:
    assert decode(_decoder, _GOOD + b', "banana": {"a": [1]}}') == decode(_decoder, _GOOD + b"}")
