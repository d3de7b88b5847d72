import threading
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Cancelled, DeadlineExceeded, InvalidInput, Job, QueueFull, Waiting
from engine.runtime.scheduler import Schedule, Scheduler
from engine.text.layout import Input


def inputs(*lengths):
    """Inputs whose tokens are all their place, so that a row says whose it is."""
    return [
        Input(np.full(length, place, np.int64), np.zeros(length, np.int64), length)
        for place, length in enumerate(lengths)
    ]


class Graph:
    """A graph that gives an input's first token, notes each run, and can be held back."""

    def __init__(self):
        self.runs = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, batch):
        self.entered.set()
        assert self.gate.wait(30)
        self.runs.append([len(item) for item in batch])
        if any(len(item) == 13 for item in batch):
            raise ValueError("a run with 13 tokens")
        return [np.float32(item.input_ids[0]) for item in batch]


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture
def open_scheduler(graph):
    opened = []

    def open_scheduler(max_sequences=8, max_tokens=1024, workers=1, max_waiting=None, padded=True):
        opened.append(Scheduler(graph, Schedule(max_sequences, max_tokens, workers, 1, max_waiting, padded)))
        return opened[-1]

    yield open_scheduler
    graph.gate.set()
    for scheduler in opened:
        scheduler.close()


def in_thread(call):
    """Start `call`; what it returned or raised is in the list once the thread has ended."""
    outcome = []

    def run():
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


lists = st.lists(st.integers(1, 12), min_size=1, max_size=40)


@given(lists, st.integers(1, 16), st.integers(1, 64), st.integers(1, 3), st.booleans())
@settings(max_examples=50)
def test_every_input_runs_once_within_the_bounds(lengths, max_sequences, max_tokens, workers, padded):
    graph = Graph()
    scheduler = Scheduler(graph, Schedule(max_sequences, max_tokens, workers, 1, padded=padded))
    assert scheduler.run(inputs(*lengths), Job()) == list(range(len(lengths)))
    scheduler.close()
    assert Counter(length for run in graph.runs for length in run) == Counter(lengths)
    for run in graph.runs:
        assert len(run) <= max_sequences
        assert len(run) == 1 or len(run) * max(run) <= max_tokens
        assert padded or len(set(run)) == 1
    assert scheduler.waiting == Waiting(0, 0)


def test_a_job_runs_longest_first(open_scheduler, graph):
    open_scheduler(max_sequences=2).run(inputs(3, 9, 5, 7), Job())
    assert graph.runs == [[9, 7], [5, 3]]


def test_jobs_share_a_run_where_their_lengths_are_alike(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=8)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, lengths in enumerate([(10, 4), (9, 8), (50, 8)], start=2):
        threads.append(in_thread(lambda lengths=lengths: scheduler.run(inputs(*lengths), Job())))
        until(lambda place=place: len(scheduler._queue) == place - 1)
    assert scheduler.waiting == Waiting(6, 89)
    graph.gate.set()
    for thread, outcome in threads:
        thread.join(30)
        assert outcome[0] == list(range(len(outcome[0])))
    # All of the first job's, with what is at least 0.8 of its longest; then all of the next one's.
    assert graph.runs == [[30], [10, 4, 9, 8, 8], [50]]


def test_without_padding_jobs_share_a_run_where_their_lengths_are_equal(open_scheduler, graph):
    scheduler = open_scheduler(max_tokens=40, padded=False)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, lengths in enumerate([(9, 8, 8, 8), (8, 8, 7)], start=1):
        threads.append(in_thread(lambda lengths=lengths: scheduler.run(inputs(*lengths), Job())))
        until(lambda place=place: len(scheduler._queue) == place)
    graph.gate.set()
    for thread, outcome in threads:
        thread.join(30)
        assert outcome[0] == list(range(len(outcome[0])))
    assert graph.runs == [[30], [8, 8, 8, 8, 8], [7], [9]]


def test_without_padding_a_run_leaves_other_workers_their_share(open_scheduler, graph):
    open_scheduler(workers=2, padded=False).run(inputs(*[5] * 6), Job())
    assert sorted(map(len, graph.runs)) == [1, 2, 3]


def test_large_jobs_run_in_slices(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, lengths in enumerate([(2000, 1999, 1998), (1300, 1200), (1500,)], start=1):
        threads.append(in_thread(lambda lengths=lengths: scheduler.run(inputs(*lengths), Job())))
        until(lambda place=place: len(scheduler._queue) == place)
    graph.gate.set()
    for thread, _ in threads:
        thread.join(30)
    # A slice of 2,048 tokens ends with the input in which it is reached.
    assert graph.runs == [[30], [1500], [2000], [1999], [1300], [1200], [1998]]


def test_a_lower_priority_goes_first(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, (length, priority) in enumerate([(1, 0), (2, 5), (3, -5), (4, 0)], start=1):
        job = Job(priority=priority)
        threads.append(in_thread(lambda length=length, job=job: scheduler.run(inputs(length), job)))
        until(lambda place=place: scheduler.waiting.sequences == place)
    graph.gate.set()
    for thread, _ in threads:
        thread.join(30)
    assert graph.runs == [[30], [3], [1], [4], [2]]


def test_an_input_the_graph_refuses_costs_its_neighbours_nothing(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=8)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, lengths in enumerate([(13, 12, 11), (13, 12), (11, 12)], start=2):
        threads.append(in_thread(lambda lengths=lengths: scheduler.run(inputs(*lengths), Job())))
        until(lambda place=place: len(scheduler._queue) == place - 1)
    graph.gate.set()
    for thread, _ in threads:
        thread.join(30)
    outcomes = [outcome[0] for _, outcome in threads]
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [False, True, True, False]
    assert outcomes[3] == [0, 1]
    assert scheduler.waiting == Waiting(0, 0)


def test_a_full_queue_refuses_before_anything_runs(open_scheduler, graph):
    scheduler = open_scheduler(max_waiting=100)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(30), Job()))]
    graph.entered.wait(30)
    # An empty queue takes a job of any size, since it could never run otherwise.
    threads.append(in_thread(lambda: scheduler.run(inputs(*[60] * 5), Job())))
    until(lambda: scheduler.waiting.sequences == 5)
    with pytest.raises(QueueFull) as refused:
        scheduler.run(inputs(1), Job())
    assert refused.value.retry_after >= 1
    with pytest.raises(QueueFull):
        scheduler.admit()
    graph.gate.set()
    for thread, outcome in threads:
        thread.join(30)
        assert isinstance(outcome[0], list)
    scheduler.admit()
    assert scheduler.run(inputs(1), Job()) == [0]


def test_how_long_to_wait_follows_from_the_pace(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1, max_waiting=10)
    graph.gate.clear()
    threads = [in_thread(lambda: scheduler.run(inputs(10), Job()))]
    graph.entered.wait(30)
    time.sleep(0.5)
    graph.gate.set()
    threads[0][0].join(30)
    graph.gate.clear()
    graph.entered.clear()
    threads.append(in_thread(lambda: scheduler.run(inputs(*[10] * 9), Job())))
    graph.entered.wait(30)
    until(lambda: scheduler.waiting.sequences == 8)
    with pytest.raises(QueueFull) as refused:
        scheduler.admit()
    # 80 tokens at less than 10 in half a second.
    assert 4 <= refused.value.retry_after <= 20
    graph.gate.set()
    threads[1][0].join(30)


def test_a_cancelled_job_leaves_the_queue_and_its_call_ends(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1)
    graph.gate.clear()
    running = in_thread(lambda: scheduler.run(inputs(30), Job()))
    graph.entered.wait(30)
    job = Job()
    thread, outcome = in_thread(lambda: scheduler.run(inputs(1, 2, 3), job))
    until(lambda: scheduler.waiting.sequences == 3)
    job.cancel()
    thread.join(30)
    assert isinstance(outcome[0], Cancelled)
    assert scheduler.waiting == Waiting(0, 0)
    graph.gate.set()
    running[0].join(30)
    assert graph.runs == [[30]]


def test_a_job_cancelled_before_it_is_queued_never_is(open_scheduler, graph):
    job = Job()
    job.cancel()
    with pytest.raises(Cancelled):
        open_scheduler().run(inputs(1), job)
    assert graph.runs == []


def test_a_deadline_ends_the_call_and_drops_what_waits(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1)
    graph.gate.clear()
    running = in_thread(lambda: scheduler.run(inputs(30), Job()))
    graph.entered.wait(30)
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        scheduler.run(inputs(1, 2), Job(timeout=0.05))
    assert scheduler.waiting == Waiting(0, 0)
    graph.gate.set()
    running[0].join(30)
    assert graph.runs == [[30]]


def test_a_job_has_its_own_bound_on_tokens(open_scheduler, graph):
    with pytest.raises(InvalidInput, match="has 101 tokens, more than the 100"):
        open_scheduler().run(inputs(50, 51), Job(max_tokens=100))
    assert graph.runs == []


def test_a_job_knows_what_it_took(open_scheduler, graph):
    batches = []
    job = Job()
    scheduler = open_scheduler(max_sequences=2)
    scheduler.on_batch = batches.append
    scheduler.run(inputs(3, 9, 5), job)
    assert (job.sequences, job.tokens) == (3, 17)
    assert job.created <= job.submitted <= job.started <= job.finished <= time.perf_counter()
    until(lambda: len(batches) == 2)
    assert [(batch.sequences, batch.tokens, batch.padding) for batch in batches] == [(2, 14, 4), (1, 3, 0)]


def test_closing_finishes_what_waits(open_scheduler, graph):
    scheduler = open_scheduler(max_sequences=1)
    graph.gate.clear()
    thread, outcome = in_thread(lambda: scheduler.run(inputs(1, 2, 3), Job()))
    graph.entered.wait(30)
    threading.Timer(0.05, graph.gate.set).start()
    scheduler.close()
    thread.join(30)
    assert outcome == [[0, 1, 2]]
