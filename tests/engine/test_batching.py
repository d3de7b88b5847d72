from hypothesis import given
from hypothesis import strategies as st

from engine.batching import plan

lengths = st.lists(st.integers(1, 600), max_size=60)


@given(lengths, st.integers(1, 32), st.integers(1, 4096))
def test_every_sequence_is_in_exactly_one_batch_within_the_bounds(lengths, max_sequences, max_tokens):
    batches = plan(lengths, max_sequences, max_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max_sequences
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= max_tokens


@given(lengths)
def test_the_longest_go_first_so_that_batches_hold_like_lengths(lengths):
    planned = [lengths[index] for batch in plan(lengths, 8, 2048) for index in batch]
    assert planned == sorted(lengths, reverse=True)


def test_one_sequence_a_run_computes_no_padding():
    assert plan([3, 7, 5], max_sequences=1, max_tokens=1) == [[1], [2], [0]]
