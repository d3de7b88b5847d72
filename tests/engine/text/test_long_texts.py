"""A long text that is truncated gives the tokens that the whole would give, and one that is not is refused unread."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from checkpoints import rerankers, tiny
from engine import Cancelled, DeadlineExceeded, InputTooLong, InvalidInput, Job
from engine.text import long_texts
from engine.text.long_texts import LongTexts
from engine.text.tokenizer import Tokenizer
from engine.text.truncation import Side, Truncation

MINILM = Path(__file__).parents[3] / "models" / "all-MiniLM-L6-v2" / "tokenizer.json"


def of_pieces() -> str:
    """SentencePiece's kind, with tokens for runs of a character, of which the odd one comes first, and a long one."""
    pieces = [".", "..", "....", "a", "ab", "abab", "▁", "▁▁▁▁", "b", "c", "b" * 70, "é", "中", "1", "="]
    pieces += [chr(character) for character in range(97, 123)]
    vocabulary = [("<unk>", 0.0), *((piece, -1.0) for piece in dict.fromkeys(pieces))]
    made = tokenizers.Tokenizer(models.Unigram(vocabulary, 0, False))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return str(made.to_str())


def of_digits() -> str:
    """Bytes, in words of at most three digits, which are counted from the left."""
    trained = json.loads(tiny.build_tokenizer("roberta").backend_tokenizer.to_str())
    made = tokenizers.Tokenizer.from_str(json.dumps(trained))
    pattern = tokenizers.Regex(r"\p{N}{1,3}| ?[^\s\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return str(made.to_str())


KINDS: dict[str, Callable[[], str]] = {
    "wordpiece": lambda: MINILM.read_text("utf-8"),
    "bytes": lambda: str(tiny.build_tokenizer("roberta").backend_tokenizer.to_str()),
    "unigram": lambda: str(tiny.build_tokenizer("xlm-roberta").backend_tokenizer.to_str()),
    "qwen": lambda: str(rerankers.qwen_tokenizer().backend_tokenizer.to_str()),
    "one word": lambda: str(rerankers.gemma_tokenizer().backend_tokenizer.to_str()),
    "pieces": of_pieces,
    "digits": of_digits,
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.parse(KINDS[request.param]())


@pytest.fixture
def cut_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a text of a million characters is cut, at some dozens."""
    monkeypatch.setattr(long_texts, "_FIRST", 2)
    monkeypatch.setattr(long_texts, "_LEAST", 4)
    monkeypatch.setattr(long_texts, "_WORDS", 8)


# Runs, words of any length, what normalisers drop or join, and tokens that may be cut in two.
PARTS = [
    "the ",
    "rivers run",
    " ",
    "   ",
    "\n",
    "\t \n",
    ".",
    "...",
    "a",
    "ab",
    "unbelievably",
    "b" * 70,
    "é",
    "e\u0301",
]
PARTS += [
    "\u0301",
    "\u200b",
    "\x00",
    "中文",
    "ﬁ",
    "1",
    "23",
    "=",
    "[MASK]",
    "<mask>",
    "<|im_end|>",
    "👩‍👩‍👧",
    "\ufdfa",
    "x" * 101,
]
TEXTS = st.lists(st.tuples(st.sampled_from(PARTS), st.integers(1, 40)), min_size=1, max_size=12).map(
    lambda parts: "".join(part * count for part, count in parts)
)


@pytest.mark.usefixtures("cut_early")
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_cut_text_has_the_tokens_of_the_whole(tokenizer: Tokenizer, side: Side) -> None:
    long = LongTexts(tokenizer)
    shorter = 0

    @settings(max_examples=60, derandomize=True)
    @given(TEXTS, st.integers(1, 12))
    def holds(text: str, tokens: int) -> None:
        nonlocal shorter
        cut = long.bounded(text, Truncation(512, total=tokens, side=side))
        (whole,), (found,) = tokenizer.encode([text]), tokenizer.encode([cut])
        kept = slice(tokens) if side == "right" else slice(-tokens, None)
        assert found[kept] == whole[kept]
        assert min(len(found), tokens + 1) == min(len(whole), tokens + 1)
        own = long.bounded(text, Truncation(512, side=side), own=tokens)
        assert tokenizer.encode([own])[0][:tokens] == whole[:tokens]
        shorter += len(cut) < len(text)

    holds()
    assert shorter


@pytest.mark.usefixtures("cut_early")
def test_what_vanishes_is_read_past(tokenizer: Tokenizer) -> None:
    for run in (" " * 5000, "\u200b" * 5000, "\n" * 3000):
        text = f"{run}the river"
        cut = LongTexts(tokenizer).bounded(text, Truncation(512, total=3))
        assert tokenizer.encode([cut])[0][:3] == tokenizer.encode([text])[0][:3]


@pytest.mark.parametrize("part", ["the rivers run ", ".", "中"])
def test_a_long_text_is_read_only_as_far_as_needed(part: str) -> None:
    tokenizer = Tokenizer(MINILM)
    text = part * 3_000_000
    begun = time.perf_counter()
    cut = LongTexts(tokenizer).bounded(text, Truncation(512, total=512))
    assert time.perf_counter() - begun < 5
    assert len(cut) < 50_000


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("part", [" ", "x1", "\u200b"])
def test_millions_of_characters_that_are_hardly_tokens_are_not_read_for_long(part: str, side: Side) -> None:
    long = LongTexts(Tokenizer(MINILM))
    limits = Truncation(512, total=512, side=side)
    where = "first" if side == "right" else "last"
    begun = time.perf_counter()
    with pytest.raises(InvalidInput, match=rf"and its {where} [\d,]+ have fewer than 513 tokens"):
        long.bounded(part * 8_000_000, limits)
    assert time.perf_counter() - begun < 10
    assert len(long.bounded(part * (1_000_000 // len(part)), limits)) == 1_000_000 // len(part) * len(part)


def test_the_other_end_stays_where_it_matters() -> None:
    text = "the river " * 10_000 + "ends here"
    long = LongTexts(Tokenizer(MINILM))
    for side, end in (("right", text[-100:]), ("left", text[:100])):
        limits = Truncation(512, total=64, side=side)  # type: ignore[arg-type]
        cut = long.bounded(text, limits, keep_end=True)
        assert len(cut) < 10_000
        assert cut.endswith(end) if side == "right" else cut.startswith(end)


def test_without_truncation_it_is_refused_unread(tokenizer: Tokenizer) -> None:
    long = LongTexts(tokenizer)
    most = max(32, tokenizer.longest_token) * 100
    text = " " * most
    assert long.bounded(text, Truncation(100)) is text
    with pytest.raises(InputTooLong, match=f"your prompt contains {most + 1} characters, more than those can have"):
        long.bounded(text + " ", Truncation(100))


class TestJobs:
    """Bound the work before their inputs are there."""

    def test_more_tokens_than_all_inputs_may_have(self) -> None:
        tokenizer = Tokenizer(MINILM)
        with pytest.raises(InvalidInput, match="more than the 1,000 that one may have"):
            tokenizer.tokenize("." * 3_000_000, job=Job(max_tokens=1000))
        with pytest.raises(InvalidInput, match="more than the 1,000 that one may have"):
            tokenizer.encode([f"{number}" + "." * 5000 for number in range(2000)], Job(max_tokens=1000))
        with pytest.raises(InvalidInput, match="1,001 tokens, more than the 1,000"):
            tokenizer.decode([5] * 1001, job=Job(max_tokens=1000))

    def test_time_and_cancelling(self) -> None:
        tokenizer = Tokenizer(MINILM)
        begun = time.perf_counter()
        with pytest.raises(DeadlineExceeded):
            tokenizer.encode([f"{number}" + "." * 20_000 for number in range(400)], Job(timeout=0.2))
        assert time.perf_counter() - begun < 5
        job = Job()
        job.cancel()
        with pytest.raises(Cancelled):
            tokenizer.tokenize("a", job=job)


def test_tokens_are_those_of_the_library(tokenizer: Tokenizer) -> None:
    library = tokenizers.Tokenizer.from_str(tokenizer.content())
    for text in ("The river, e\u0301 ﬁ 中文 👩‍👩‍👧.", "", "  x  ", "[MASK] <mask> <|im_end|>", "Ω≈ç√"):
        encoding = library.encode(text)
        found = tokenizer.tokenize(text)
        assert [token.id for token in found] == encoding.ids
        assert [(token.start, token.stop) for token in found] == encoding.offsets
        assert [token.special for token in found] == [flag == 1 for flag in encoding.special_tokens_mask]
        assert tokenizer.decode(encoding.ids) == library.decode(encoding.ids, skip_special_tokens=False)
