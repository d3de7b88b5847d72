"""What graphs are fed: padded on the right, from where a past ends, and for sequences that only fill up a shape."""

import numpy as np
import pytest

from engine.runtime.feeds import FEEDS, Run, fill
from engine.text.layout import Input

INPUTS = [
    Input(np.array([5, 6, 7]), np.array([0, 0, 1]), attended=2, adapter=1),
    Input(np.array([8]), np.array([1]), attended=1),
]

NO_PICTURE = np.zeros((1, 1, 2), np.float32)


def test_padding_is_on_the_right():
    feeds = fill(FEEDS, Run(INPUTS, 0, (3, 4), pad_token=9, no_picture=NO_PICTURE))
    assert feeds["input_ids"].tolist() == [[5, 6, 7, 9], [8, 9, 9, 9], [9, 9, 9, 9]]
    assert feeds["token_type_ids"].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # The third is nobody's, and attends to one token, or its softmax would be NaN.
    assert feeds["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert feeds["adapter"].tolist() == [1, 0, 0]


def test_keys_are_told_by_lengths_and_offsets():
    feeds = fill(FEEDS, Run(INPUTS, 0, (2, 4), pad_token=9, no_picture=NO_PICTURE))
    assert feeds["key_lengths"].tolist() == [2, 1, 0, 4, 8, 0, 4, 8]
    assert feeds["first_key_lengths"].tolist() == [2, 1, 0, 1, 2, 0, 4, 8]
    assert {feeds[name].dtype for name in ("key_lengths", "first_key_lengths")} == {np.dtype(np.int32)}


def test_what_is_past_is_not_fed_again():
    feeds = fill({"input_ids", "attention_mask", "token_type_ids"}, Run(INPUTS[:1], 1, (1, 2), pad_token=9))
    assert feeds["input_ids"].tolist() == [[6, 7]]
    assert feeds["attention_mask"].tolist() == [[1, 0]]
    assert feeds["token_type_ids"].tolist() == [[0, 1]]


@pytest.mark.parametrize("names", [set(), {"input_ids"}, {"input_ids", "past"}])
def test_a_graph_is_fed_what_it_has(names):
    assert fill(names, Run(INPUTS, 0, (2, 3), 0)).keys() == names - {"past"}
