"""What a call's limits may be, and which text of a pair gives way."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import InvalidInput
from engine.text.truncation import Truncation, longest_first, room, truncation

MAX_LENGTH = 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"truncate_prompt_tokens": 100}, "Please request a smaller truncation size"),
        ({"truncate_prompt_tokens": -2}, "truncate_prompt_tokens must be a positive number"),
        ({"truncate_prompt_tokens": 0}, "truncate_prompt_tokens must be a positive number"),
        ({"truncation_side": "middle"}, "truncation_side must be 'left' or 'right'"),
        ({"max_tokens_per_query": -1}, "max_tokens_per_query must be a non-negative integer"),
        ({"max_tokens_per_doc": 64}, r"max_tokens_per_doc \(64\) must be less than max_model_len \(64\)"),
    ],
)
def test_limits_that_cannot_be_met_are_named(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        truncation(MAX_LENGTH, arguments)


def test_minus_one_is_the_models_maximum_and_zero_a_text_no_limit():
    given = {"truncate_prompt_tokens": -1, "truncation_side": "left"}
    limits = truncation(MAX_LENGTH, {**given, "max_tokens_per_query": 0, "max_tokens_per_doc": 0})
    assert limits == Truncation(max_length=MAX_LENGTH, total=MAX_LENGTH, side="left")
    assert truncation(MAX_LENGTH, {}) == Truncation(max_length=MAX_LENGTH)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 100))
def test_both_texts_fit_and_nothing_is_cut_that_need_not_be(query, document, over):
    assume(over <= query + document)
    limit = query + document - over
    kept_query, kept_document = longest_first(query, document, limit)
    assert kept_query <= query
    assert kept_document <= document
    assert kept_query + kept_document == limit
    if kept_query < query and kept_document < document:
        assert abs(kept_query - kept_document) <= 1, "the longer one gives way first"


def test_special_tokens_leave_room_or_are_refused():
    assert room(8, 3) == 5
    with pytest.raises(InvalidInput, match="must be greater than 3, the number of special tokens"):
        room(3, 3)
