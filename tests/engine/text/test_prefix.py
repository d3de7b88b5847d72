"""Which prompts share which beginning, and that it is computed once. `test_families` scores with it."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.text.prefix import Prefix, shared_prefixes

HEAD = list(range(100, 130))


def shared(*sequences, queries=None, least=1, multiple=1):
    arrays = [np.array(sequence, np.int64) for sequence in sequences]
    return shared_prefixes(arrays, queries or ["query"] * len(arrays), least, multiple)


def lengths(prefixes):
    return [0 if prefix is None else len(prefix) for prefix in prefixes]


# Few distinct tokens, so that much is alike by chance.
tails = st.lists(st.integers(0, 1), min_size=1, max_size=40)


@given(st.lists(st.tuples(st.sampled_from("ab"), tails), min_size=1, max_size=8))
def test_prefixes_are_beginnings_and_leave_each_sequence_a_token(drawn):
    sequences = [[*HEAD[: ord(query) - 80], *tail] for query, tail in drawn]
    prefixes = shared(*sequences, queries=[query for query, _ in drawn])
    for sequence, prefix in zip(sequences, prefixes, strict=True):
        if prefix is not None:
            assert prefix.ids.tolist() == sequence[: len(prefix)]
            assert 0 < len(prefix) < len(sequence)
            assert prefixes.count(prefix) > 1


def test_the_longest_common_beginning_is_shared():
    prefixes = shared([*HEAD, 1, 2, 3], [*HEAD, 1, 2, 4, 5], [*HEAD, 1, 2, 3, 6])
    assert lengths(prefixes) == [32] * 3
    assert len(set(map(id, prefixes))) == 1


def test_a_length_may_have_to_be_a_multiple():
    assert lengths(shared([*HEAD, 1], [*HEAD, 2], multiple=8)) == [24, 24]
    assert lengths(shared([*HEAD[:7], 1], [*HEAD[:7], 2], multiple=8)) == [0, 0]


@pytest.mark.parametrize(
    ("sequences", "want"),
    [
        ([[*HEAD, 1]], [0]),
        ([[*HEAD, 1], [*HEAD, 1]], [30, 30]),
        ([HEAD, [*HEAD, 1]], [29, 29]),
        ([[1, *HEAD], [2, *HEAD]], [0, 0]),
        ([[5]] * 3, [0] * 3),
    ],
    ids=["alone", "equal", "one is the other's beginning", "nothing in common", "a token each"],
)
def test_a_sequence_shares_what_others_begin_with_and_keeps_a_token(sequences, want):
    assert lengths(shared(*sequences)) == want


def test_queries_have_prefixes_of_their_own_unless_one_for_all_saves_more():
    one, other = [*HEAD, *[1] * 40], [*HEAD, *[2] * 40]
    prefixes = shared([*one, 3], [*other, 3], [*one, 4], [*other, 4], queries=list("abab"))
    assert lengths(prefixes) == [70] * 4
    assert prefixes[0] is prefixes[2] is not prefixes[1] is prefixes[3]
    assert lengths(shared([*one, 3], [*other, 3], [*HEAD, 5], queries=list("abc"))) == [30] * 3


def test_a_prefix_that_saves_less_than_the_least_is_not_shared():
    three, two = [[*HEAD, 1], [*HEAD, 2], [*HEAD, 3]], [[*HEAD[::-1], 1], [*HEAD[::-1], 2]]
    for least, want in ((30, [30] * 5), (60, [30, 30, 30, 0, 0]), (61, [0] * 5)):
        assert lengths(shared(*three, *two, queries=list("aaabb"), least=least)) == want


def test_states_are_computed_once_however_many_ask_and_again_after_a_failure():
    prefix = Prefix(np.array(HEAD))
    with pytest.raises(MemoryError):
        prefix.states(lambda ids: (_ for _ in ()).throw(MemoryError))
    calls, barrier = [], threading.Barrier(8)

    def ask(_):
        barrier.wait()
        return prefix.states(lambda ids: calls.append(ids) or np.zeros(len(ids)))

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(ask, range(8)))
    assert len(calls) == 1
    assert all(state is states[0] for state in states)


def test_states_go_with_the_prefix():
    prefix = Prefix(np.array(HEAD))
    states = weakref.ref(prefix.states(lambda ids: np.zeros(len(ids))))
    assert states() is not None
    del prefix
    gc.collect()
    assert states() is None
