"""What the engine complains of is said in the words of the body that it is about."""

from typing import Any

import pytest

from api.dialects.cohere.embed import EmbedRequest
from api.dialects.cohere.rerank import RerankRequest as CohereRequest
from api.dialects.infinity.classify import ClassifyRequest
from api.dialects.tei.rerank import RerankRequest as TEIRequest
from api.dialects.vllm.rerank import RerankRequest
from api.errors import InvalidRequest
from api.words import Words
from engine import InputTooLong, InvalidInput

TRUNCATE = Words(cutting="truncate to true")
VLLM = RerankRequest(query="a", documents=["b"])
COHERE = CohereRequest(query="a", documents=["b"])


@pytest.mark.parametrize(
    ("words", "request_", "remedy", "parameter"),
    [
        (Words(), RerankRequest(query="a", documents=[], long_documents="refuse"), "long_documents", "long_documents"),
        (Words(), COHERE, "long_documents", "long_documents"),
        (TRUNCATE, TEIRequest(query="a", texts=[]), "truncate", "truncate"),
        (TRUNCATE, TEIRequest(query="a", texts=[], long_documents="refuse"), "long_documents", "long_documents"),
        (Words(cutting='parameters.truncate to "END"'), ClassifyRequest(input=[]), "parameters.truncate", "parameters"),
    ],
)
def test_what_cuts_long_texts_is_the_bodys_own(words: Words, request_: Any, remedy: str, parameter: str) -> None:
    said = words.said(InputTooLong(1234, 512), request_)
    assert isinstance(said, InvalidRequest)
    assert f", or set {remedy} to " in str(said)
    assert said.parameter == f"body.{parameter}"
    assert "1234" in str(said).replace(",", "")


def test_without_any_it_is_to_be_shortened() -> None:
    said = Words().said(InputTooLong(1234, 512), ClassifyRequest(input=[]))
    assert str(said) == "An input has 1,234 tokens, more than this model takes: shorten it."


def test_where_the_words_are_the_engines_own_they_stay() -> None:
    error = InputTooLong(1234, 512)
    assert Words().said(error, VLLM) is error
    assert str(error).endswith("or set truncate_prompt_tokens to -1.")


def test_arguments_go_by_the_names_that_the_body_has() -> None:
    words = Words({"truncate_prompt_tokens": "max_tokens", "dimensions": "output_dimension"})
    said = words.said(InvalidInput("dimensions is above truncate_prompt_tokens.", "dimensions"), EmbedRequest())
    assert str(said) == "output_dimension is above max_tokens."
    assert isinstance(said, InvalidInput)
    assert said.parameter == "output_dimension"


def test_what_the_body_has_no_room_for_is_left_out() -> None:
    error = InvalidInput("The query is long: shorten it.", "max_tokens_per_query", "max_tokens_per_query")
    for body, sentence, parameter in (
        (VLLM, "The query is long: shorten it, or set max_tokens_per_query.", "max_tokens_per_query"),
        (COHERE, "The query is long: shorten it.", None),
    ):
        said = Words().said(error, body)
        assert (str(said), said.parameter) == (sentence, parameter)
