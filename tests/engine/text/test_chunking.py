"""Chunks of long documents: they hold all of them, in order, fit, overlap as asked, and read as texts of their own."""

import json
import re
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from checkpoints import tiny
from engine import Cancelled, InvalidInput, Job
from engine.artifact.artifact import PairLayout
from engine.long_documents import Pairs
from engine.text.chunking import DEFAULT_CHUNKS, Chunking, _past_space, chunking, split
from engine.text.layout import lay_out_pair
from engine.text.tokenizer import Tokenizer
from engine.text.truncation import Truncation

LAYOUT = PairLayout(prefix=[1], middle=[2], suffix=[2], type_ids=(0, 0, 0, 1, 1))
WORD_PIECE, BYTE_LEVEL, UNIGRAM = "bert", "modernbert", "xlm-roberta"
ALL = 10_000


@cache
def tokenizer_of(family):
    """WordPiece, byte-level BPE or Unigram; the last as SentencePiece models are, with bytes for unknown characters."""
    content = json.loads(tiny.build_tokenizer(family).backend_tokenizer.to_str())
    if family == UNIGRAM:
        model = content["model"]
        model["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
        model["byte_fallback"] = True
    return Tokenizer.parse(json.dumps(content))


def split_one(text, family=WORD_PIECE, *, max_length=32, query="who is it", chunks=ALL, overlap=0, most=None, job=None):
    tokenizer = tokenizer_of(family)
    limits = Truncation(max_length, document=most)
    reader = Pairs(tokenizer, LAYOUT, tokenizer.encode([query]), limits)
    (found,) = split([text], reader, Chunking(chunks, overlap), job or Job(), most)
    return found, reader


WORDS = st.sampled_from(
    ["the", "cat", "sat.", "Why?", "no!\n", "…", "東京は雨。", "ประเทศไทย", "é", "e\u0301e\u0301", "👨‍👩‍👧", "🇩🇪🇫🇷",
     "\u200b", "\r\n", "   ", "한국어", "x" * 90, "\x00", "☃", "naïve", "[SEP]", "..."]
)  # fmt: skip
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=120).map(" ".join) | st.lists(WORDS, max_size=150).map(
    "".join
)


@pytest.mark.parametrize("family", [WORD_PIECE, BYTE_LEVEL, UNIGRAM])
@settings(max_examples=60)
@given(text=TEXTS, overlap=st.integers(0, 12), max_length=st.integers(30, 48))
@example("東京は雨。the🇩🇪🇫🇷東京は雨。", 7, 30)
def test_chunks_hold_the_whole_document_in_order_and_fit(family, text, overlap, max_length):
    text = re.sub("[\ud800-\udfff]", "?", text)
    found, reader = split_one(text, family, overlap=overlap, max_length=max_length)
    pieces = found.pieces
    assert not found.truncated
    read = set()
    for piece in pieces:
        read.update(range(piece.start, piece.end))
        assert len(piece.item) <= max_length
        # What it is read as does not depend on where it was found.
        (ids,) = tokenizer_of(family).encode([text[piece.start : piece.end]])
        alone = lay_out_pair(reader._queries[0], ids, LAYOUT, Truncation(max_length))
        assert alone.identity == piece.item.identity
    left = [place for place in range(len(text)) if place not in read and not text[place].isspace()]
    unread = tokenizer_of(family).encode([text[place] for place in left])
    assert not any(unread) or len(pieces) == 1, "only white space and what has no tokens is in no chunk"
    for piece, following in pairwise(pieces):
        assert piece.start < following.start
        assert piece.end < following.end
        common = text[following.start : piece.end]
        assert overlap or not common
        tokens = [start for start, _ in tokenizer_of(family).offsets([text[piece.start :]])[0]]
        shared = sum(following.start - piece.start <= start < piece.end - piece.start for start in tokens)
        # Bytes of unknown characters in a row all stand at its beginning; by itself a text may begin with a space.
        by_itself = len(tokenizer_of(family).encode([common])[0]) - 1
        # Of such a row each character is taken to have as many bytes as the others, and it may have one to four.
        in_rows = any(one == other for one, other in pairwise(tokenizer_of(family).offsets([common])[0]))
        assert min(shared, by_itself) <= overlap * (4 if in_rows else 1)


@pytest.mark.parametrize("family", [WORD_PIECE, BYTE_LEVEL, UNIGRAM])
@settings(max_examples=40)
@given(text=TEXTS, overlap=st.integers(0, 12))
def test_no_character_is_cut_in_two(family, text, overlap):
    text = re.sub("[\ud800-\udfff]", "?", text)
    found, _ = split_one(text, family, overlap=overlap, max_length=48)
    clusters = pre_tokenizers.Split(Regex(r"\X"), "isolated").pre_tokenize_str(text)
    boundaries = {0, *(stop for _, (_, stop) in clusters)}
    longest = max((stop - start for _, (start, stop) in clusters), default=0)
    for piece in found.pieces:
        assert {piece.start, piece.end} <= boundaries or longest > 8


def test_chunks_end_with_sentences_else_with_words():
    sentences = "The cat sat on the mat. Why did it sit there? Nobody knows that! It is a cat, said the man. "
    found, _ = split_one(sentences * 3)
    texts = [(sentences * 3)[piece.start : piece.end] for piece in found.pieces]
    assert len(texts) > 3
    assert all(text[-1] in ".?!" and text[0].isupper() for text in texts)
    assert " ".join(texts) == (sentences * 3).strip()
    words, _ = split_one("the cat sat on the mat and " * 20)
    assert all(("the cat sat on the mat and " * 20)[piece.end] == " " for piece in words.pieces[:-1])
    japanese, _ = split_one("東京は雨。" * 40, BYTE_LEVEL)
    assert all(("東京は雨。" * 40)[piece.end - 1] == "。" for piece in japanese.pieces)


def test_a_document_that_fits_is_one_chunk_with_its_white_space():
    found, _ = split_one("  the cat \n")
    assert [(piece.start, piece.end) for piece in found.pieces] == [(0, 11)]
    assert not found.truncated


def test_no_more_chunks_are_made_than_asked_for_and_the_rest_is_told():
    text = "The cat sat. " * 100_000
    found, _ = split_one(text, chunks=7)
    assert len(found.pieces) == 7
    assert found.truncated
    assert found.pieces[-1].end < 1000, "the rest is not even tokenised"


@pytest.mark.parametrize("family", [WORD_PIECE, BYTE_LEVEL, UNIGRAM])
@pytest.mark.parametrize("text", [" " * 500_000, "\u200b" * 500_000, "x" * 500_000, "\n.\n" * 100_000, "𐍈" * 50_000])
def test_texts_that_hold_no_words_come_to_an_end(family, text):
    found, _ = split_one(text, family, chunks=5, overlap=5)
    assert 1 <= len(found.pieces) <= 5
    assert all(len(piece.item) <= 32 for piece in found.pieces)


def test_as_many_tokens_are_kept_as_asked_for_also_more_than_the_model_takes():
    text = "the cat sat on the mat and " * 50
    (ids,) = tokenizer_of(WORD_PIECE).encode([text])
    short, reader = split_one(text, most=10)
    assert [piece.item.identity for piece in short.pieces] == [
        lay_out_pair(reader._queries[0], ids[:10], LAYOUT, Truncation(32)).identity
    ]
    assert short.truncated
    assert short.pieces[0].end < 40
    found, _ = split_one(text, most=100)
    assert len(tokenizer_of(WORD_PIECE).encode([text[: found.pieces[-1].end]])[0]) == 100
    assert found.truncated
    whole, _ = split_one(text, most=len(ids))
    assert not whole.truncated


def test_a_query_that_leaves_no_room_is_named():
    with pytest.raises(InvalidInput, match=r"leaves room for 4 tokens of a long document.*max_tokens_per_query"):
        split_one("the cat sat on the mat", query="the " * 25, max_length=32)
    found, _ = split_one("the", query="the " * 25, max_length=32)
    assert len(found.pieces) == 1, "what fits needs no room for chunks"


def test_it_is_not_the_query_where_nothing_leaves_room():
    limits = Truncation(32, total=10)
    reader = Pairs(tokenizer_of(WORD_PIECE), LAYOUT, tokenizer_of(WORD_PIECE).encode(["who"]), limits)
    with pytest.raises(
        InvalidInput, match=r"truncate_prompt_tokens must be at least 11: an input has 3 tokens"
    ) as raised:
        split(["the cat sat on the mat and " * 20], reader, Chunking(ALL, 0), Job())
    assert raised.value.parameter == "truncate_prompt_tokens"


def test_the_jobs_bounds_hold_while_chunks_are_looked_for():
    text = "The cat sat. " * 1000
    with pytest.raises(InvalidInput, match="more than the 5 chunks that one request may have"):
        split_one(text, job=Job(max_chunks=5))
    with pytest.raises(InvalidInput, match=r"has [0-9]+ tokens, more than the 100 that one may have"):
        split_one(text, job=Job(max_tokens=100))
    job = Job()
    job.cancel()
    with pytest.raises(Cancelled):
        split_one(text, job=job)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_chunks_per_doc": 0, "long_documents": "chunk"}, "max_chunks_per_doc must be at least 1"),
        ({"max_chunks_per_doc": 3}, "max_chunks_per_doc is for chunks: set long_documents to 'chunk'"),
        ({"max_chunks_per_doc": 3, "long_documents": "truncate"}, "max_chunks_per_doc is for chunks"),
        ({"chunk_overlap": 3, "long_documents": "refuse"}, "chunk_overlap is for chunks"),
        ({"chunk_overlap": -1, "long_documents": "chunk"}, "chunk_overlap must be 0 or more tokens"),
        ({"chunk_overlap": 64, "long_documents": "chunk"}, r"less than max_model_len \(64\)"),
        ({"chunk_overlap": 1.5, "long_documents": "chunk"}, "chunk_overlap must be a whole number"),
    ],
)
def test_arguments_of_chunks_that_cannot_be_met_are_named(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        chunking(64, arguments)


def test_what_is_not_said_of_chunks_is_a_choice():
    assert chunking(64, {"long_documents": "chunk"}) == Chunking(DEFAULT_CHUNKS, 0)
    assert chunking(64, {"long_documents": "chunk", "chunk_overlap": 9, "max_chunks_per_doc": 2}) == Chunking(2, 9)
    assert chunking(64, {"long_documents": "truncate"}) is None
    assert chunking(64, {}) is None


@pytest.mark.parametrize("family", [WORD_PIECE, BYTE_LEVEL, UNIGRAM])
def test_of_white_space_nothing_is_scored_and_nothing_said_to_be(family):
    found, _ = split_one(" \n" * 3000, family, max_length=48)
    (piece,) = found.pieces
    assert piece.end == piece.start or family == WORD_PIECE
    assert not found.truncated


def test_white_space_is_passed_in_stretches(monkeypatch):
    monkeypatch.setattr("engine.text.chunking._STRETCH", 3)
    for text in ("", " ", "   a", "    \u3000 b ", "a b", " " * 9):
        for place in range(len(text) + 1):
            found = re.compile(r"\S").search(text, place)
            assert _past_space(text, place) == (found.start() if found else len(text))
