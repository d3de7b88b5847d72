"""Layouts against transformers' own tokenizer calls, and truncation's rules."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from checkpoints import tiny
from checkpoints.minilm import minilm_folder
from engine import InputTooLong, InvalidInput
from engine.artifact.artifact import PairLayout, TextLayout
from engine.text.layout import lay_out_pair, lay_out_prompt, lay_out_text
from engine.text.tokenizer import Tokenizer
from engine.text.truncation import Truncation
from export.recipe import Marking
from export.recognition.layouts import pair_layout, text_layout

MAX_LENGTH = 64
TOKENIZERS = ["minilm", "roberta", "xlm-roberta", "mpnet", "deberta-v2", "modernbert"]

text = st.text(max_size=80) | st.lists(st.sampled_from(["word", "Paris", "[SEP]", "</s>", "naïve", "首都", "a,b"])).map(
    " ".join
)


@cache
def _reference(name: str) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(minilm_folder()) if name == "minilm" else tiny.build_tokenizer(name)


@pytest.fixture(scope="module")
def encode(tmp_path_factory: pytest.TempPathFactory):
    """The engine's tokenizer of each reference, read from a tokenizer.json as an artifact holds it."""
    folder = tmp_path_factory.mktemp("tokenizers")
    tokenizers = {}
    for name in TOKENIZERS:
        _reference(name).backend_tokenizer.save(str(folder / f"{name}.json"))
        tokenizers[name] = Tokenizer(folder / f"{name}.json")
    return lambda name, texts: tokenizers[name].encode(texts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pairs_are_laid_out_as_transformers_does(name, encode):
    reference = _reference(name)
    layout = pair_layout(reference)

    @settings(max_examples=150)
    @given(text, text, st.integers(5, 40))
    def check(query, document, total):
        ids = encode(name, [query, document])
        got = lay_out_pair(*ids, layout, Truncation(max_length=MAX_LENGTH, total=total))
        # In a batch, because transformers takes an empty second text on its own for no pair at all.
        want = reference([query], [document], truncation=True, max_length=total)
        assert got.input_ids.tolist() == want["input_ids"][0]
        if "token_type_ids" in want:
            assert got.token_type_ids.tolist() == want["token_type_ids"][0]
        assert got.attended == sum(want["attention_mask"][0])

    check()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_are_laid_out_as_transformers_does(name, encode):
    reference = _reference(name)
    layout = text_layout(reference, Marking(), prompt="")

    @settings(max_examples=150)
    @given(text, st.integers(5, 40))
    def check(content, total):
        got = lay_out_text(encode(name, [content])[0], layout, Truncation(max_length=MAX_LENGTH, total=total), None)
        want = reference(content, truncation=True, max_length=total)
        assert got.input_ids.tolist() == want["input_ids"]

    check()


PAIR = PairLayout(prefix=[1], middle=[2, 2], suffix=[3], type_ids=(0, 0, 0, 1, 1))
TEXT = TextLayout(prefix=[1], suffix=[3])


def test_left_truncation_keeps_the_last_tokens_whatever_they_are():
    got = lay_out_pair([10, 11, 12], [20, 21], PAIR, Truncation(max_length=64, total=5, side="left"))
    assert got.input_ids.tolist() == [2, 2, 20, 21, 3]
    assert got.token_type_ids.tolist() == [0, 0, 1, 1, 1]
    alone = lay_out_text([10, 11, 12], TEXT, Truncation(max_length=64, total=3, side="left"), None)
    assert alone.input_ids.tolist() == [11, 12, 3]


def test_limits_of_one_side_count_its_own_tokens():
    got = lay_out_pair([10, 11, 12], [20, 21, 22], PAIR, Truncation(max_length=64, query=1, document=2))
    assert got.input_ids.tolist() == [1, 10, 2, 2, 20, 21, 3]
    assert lay_out_text([10, 11, 12], TEXT, Truncation(max_length=64), 2).input_ids.tolist() == [1, 10, 11, 3]


def test_longer_inputs_are_refused_unless_truncation_is_asked_for():
    with pytest.raises(InputTooLong, match="maximum context length is 8 tokens") as refused:
        lay_out_pair([10] * 5, [20] * 5, PAIR, Truncation(max_length=8))
    assert refused.value.tokens == 14
    assert "Please reduce the length of the input prompt" in str(refused.value)
    with pytest.raises(InputTooLong):
        lay_out_text([10] * 7, TEXT, Truncation(max_length=8), None)
    assert len(lay_out_pair([10] * 5, [20] * 5, PAIR, Truncation(max_length=8, total=8))) == 8


def test_a_limit_that_leaves_no_room_for_text_is_refused():
    with pytest.raises(InvalidInput, match="greater than 4"):
        lay_out_pair([10], [20], PAIR, Truncation(max_length=64, total=4))


def test_queries_expand_after_truncation_and_attend_only_if_asked():
    layout = TextLayout(prefix=[1, 9], suffix=[3], max_length=6, expand_to=6, expansion_token=4)
    got = lay_out_text([10, 11], layout, Truncation(max_length=64), None)
    assert got.input_ids.tolist() == [1, 9, 10, 11, 3, 4]
    assert got.attended == 5
    cut = lay_out_text([10, 11, 12, 13, 14], layout, Truncation(max_length=64), None)
    assert cut.input_ids.tolist() == [1, 9, 10, 11, 12, 3]
    attending = TextLayout(prefix=[1], suffix=[3], expand_to=6, expansion_token=4, attend_to_expansion=True)
    assert lay_out_text([10], attending, Truncation(max_length=64), None).attended == 6


@pytest.mark.parametrize(
    ("prompt", "want"),
    [([7, 8], [1, 7, 8, 3]), ([1, 7], [1, 7, 3]), ([7, 3], [1, 7, 3]), ([1, 7, 3], [1, 7, 3]), ([], [1, 3])],
)
def test_special_tokens_that_a_prompt_has_already_are_not_doubled(prompt, want):
    got = lay_out_prompt(prompt, PAIR)
    assert got.input_ids.tolist() == want
    assert got.token_type_ids.tolist() == [0] * len(want)
    bare = PairLayout(prefix=[], middle=[], suffix=[], type_ids=(0, 0, 0, 0, 0))
    assert lay_out_prompt(prompt, bare).input_ids.tolist() == prompt


def test_ids_are_int64():
    assert lay_out_pair([10], [20], PAIR, Truncation(max_length=64)).input_ids.dtype == np.int64
