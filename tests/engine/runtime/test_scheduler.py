"""The queue without threads or a device: which inputs run next, which share a run, and what waits."""

import dataclasses

import numpy as np
import pytest

from engine import Cancelled, Job, QueueFull, Waiting
from engine.runtime.scheduler import Schedule, Scheduler
from engine.text.layout import Input


def inputs(*lengths):
    return [Input(np.zeros(length, np.int64), np.zeros(length, np.int64), length) for length in lengths]


def scheduler(max_sequences=8, max_tokens=1024, workers=1, max_waiting=None, padded=True):
    return Scheduler(Schedule(max_sequences, max_tokens, workers, 1, max_waiting, padded))


def lengths(taken):
    return [len(work.inputs[index]) for work, index in taken]


def batches(queue):
    """The lengths of all batches that are left, each delivered before the next is taken."""
    found = []
    while taken := queue.take():
        found.append(lengths(taken))
        queue.deliver(taken, [np.float32(0)] * len(taken), seconds=1.0)
    return found


def test_a_job_goes_longest_first():
    queue = scheduler(max_sequences=2)
    queue.enter(inputs(3, 9, 5, 7), Job())
    assert batches(queue) == [[9, 7], [5, 3]]


def test_jobs_share_a_batch_where_their_lengths_are_alike():
    queue = scheduler(max_sequences=8)
    for own in [(10, 4), (9, 8), (50, 8)]:
        queue.enter(inputs(*own), Job())
    assert queue.waiting == Waiting(6, 89)
    # All of the first job's, with what is at least 0.8 of its longest; then all of the next one's.
    assert batches(queue) == [[10, 4, 9, 8, 8], [50]]
    assert queue.waiting == Waiting(0, 0)


def test_without_padding_jobs_share_a_batch_where_their_lengths_are_equal():
    queue = scheduler(max_tokens=40, padded=False)
    for own in [(9, 8, 8, 8), (8, 8, 7)]:
        queue.enter(inputs(*own), Job())
    assert batches(queue) == [[8, 8, 8, 8, 8], [7], [9]]


def test_without_padding_a_batch_leaves_other_workers_their_share():
    queue = scheduler(workers=2, padded=False)
    queue.enter(inputs(*[5] * 6), Job())
    assert batches(queue) == [[5] * 3, [5] * 2, [5]]


def test_large_jobs_take_turns_in_slices():
    queue = scheduler(max_sequences=1)
    for own in [(2000, 1999, 1998), (1300, 1200), (1500,)]:
        queue.enter(inputs(*own), Job())
    # A slice of 2,048 ends with the input in which it is reached.
    assert batches(queue) == [[1500], [2000], [1999], [1300], [1200], [1998]]


def test_turns_and_bounds_count_costs_and_batches_tokens():
    """An input may cost more than its tokens, as one with an image does."""

    @dataclasses.dataclass(frozen=True)
    class Costly(Input):
        @property
        def cost(self):
            return 2000

    queue = scheduler(max_sequences=2, max_tokens=10, max_waiting=5000)
    costly = [Costly(item.input_ids, item.token_type_ids, item.attended) for item in inputs(5, 5, 5)]
    queue.enter(costly[:2], Job())
    assert queue.waiting == Waiting(2, 4000)
    with pytest.raises(QueueFull):
        queue.enter(costly[2:], Job())
    queue.enter(inputs(4, 4), Job())
    # The small job's turn is over before the costly one's first slice is.
    assert batches(queue) == [[4, 4], [5, 5]]


def test_a_lower_priority_goes_first():
    queue = scheduler(max_sequences=1)
    for length, priority in [(1, 0), (2, 5), (3, -5), (4, 0)]:
        queue.enter(inputs(length), Job(priority=priority))
    assert batches(queue) == [[3], [1], [4], [2]]


def test_workers_are_asked_for_as_far_as_there_are_inputs_and_idle_ones():
    queue = scheduler(max_sequences=1, workers=3)
    assert queue.enter(inputs(1, 1), Job())[1] == 2
    assert queue.enter(inputs(1, 1), Job())[1] == 1
    assert queue.enter(inputs(1, 1), Job())[1] == 0
    for _ in range(6):
        assert queue.take()
    assert queue.take() == [], "one worker is done"
    assert queue.enter(inputs(1, 1), Job())[1] == 1


def test_an_error_ends_its_job_alone_and_drops_the_rest_of_it():
    queue = scheduler(max_sequences=2)
    failing, _ = queue.enter(inputs(9, 8, 7), Job())
    other, _ = queue.enter(inputs(3), Job())
    taken = queue.take()
    # The shorter job's turn ends first, and takes in nothing: 9 is no more alike to 3 than 3 to 9.
    assert lengths(taken) == [3]
    queue.deliver(taken, [np.float32(1)], seconds=1.0)
    assert (other.rows, other.done.is_set(), other.error) == ([np.float32(1)], True, None)
    error = ValueError("out of memory")
    queue.deliver(queue.take(), [np.float32(1), error], seconds=1.0)
    assert failing.error is error
    assert failing.done.is_set()
    assert failing.job.finished is not None
    assert queue.waiting == Waiting(0, 0)
    assert queue.take() == []


def test_what_leaves_waits_no_more():
    queue = scheduler(max_sequences=1)
    work, _ = queue.enter(inputs(5, 4, 3), Job())
    assert lengths(queue.take()) == [5]
    queue.leave(work)
    assert queue.waiting == Waiting(0, 0)
    queue.leave(work)
    assert queue.take() == []


def test_a_full_queue_refuses_and_an_empty_one_takes_any():
    queue = scheduler(max_waiting=100)
    queue.enter(inputs(*[60] * 5), Job())
    with pytest.raises(QueueFull) as refused:
        queue.admit()
    assert refused.value.retry_after == 1, "nothing is known of the pace"
    assert len(batches(queue)) == 1
    queue.admit(10**6)


def test_how_long_to_wait_follows_from_the_pace():
    queue = scheduler(max_sequences=1, workers=2, max_waiting=100)
    queue.enter(inputs(50), Job())
    taken = queue.take()
    queue.deliver(taken, [np.float32(0)], seconds=5.0)
    queue.enter(inputs(60, 40), Job())
    with pytest.raises(QueueFull) as refused:
        queue.admit()
    assert refused.value.retry_after == 5, "100 tokens by two workers at 10 a second"


def test_a_job_is_marked_when_its_first_input_is_taken():
    queue, job = scheduler(), Job()
    queue.enter(inputs(1), job)
    assert job.started is None
    taken = queue.take()
    assert job.started is not None
    assert job.finished is None
    queue.deliver(taken, [np.float32(0)], seconds=1.0)
    assert job.finished >= job.started


def test_a_cancelled_job_is_told_by_its_check():
    job = Job()
    job.cancel()
    with pytest.raises(Cancelled):
        job.check()
