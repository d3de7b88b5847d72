"""Threads that run what the scheduler has: every input once, failures, deadlines and an orderly end."""

import gc
import threading
import time
import weakref
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Cancelled, DeadlineExceeded, EngineClosed, InvalidInput, Job, QueueFull, Waiting
from engine.runtime.scheduler import Schedule
from engine.runtime.workers import Workers
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
def open_workers(graph):
    opened = []

    def open_workers(max_sequences=8, max_tokens=1024, workers=1, max_waiting=None, padded=True):
        opened.append(Workers(graph, Schedule(max_sequences, max_tokens, workers, 1, max_waiting, padded)))
        return opened[-1]

    yield open_workers
    graph.gate.set()
    for workers in opened:
        workers.close()


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
    workers = Workers(graph, Schedule(max_sequences, max_tokens, workers, 1, padded=padded))
    assert workers.run(inputs(*lengths), Job()) == list(range(len(lengths)))
    workers.close()
    assert Counter(length for run in graph.runs for length in run) == Counter(lengths)
    for run in graph.runs:
        assert len(run) <= max_sequences
        assert len(run) == 1 or len(run) * max(run) <= max_tokens
        assert padded or len(set(run)) == 1
    assert workers.scheduler.waiting == Waiting(0, 0)


def test_without_padding_a_run_leaves_other_workers_their_share(open_workers, graph):
    open_workers(workers=2, padded=False).run(inputs(*[5] * 6), Job())
    assert sorted(map(len, graph.runs)) == [1, 2, 3]


def test_an_input_the_graph_refuses_costs_its_neighbours_nothing(open_workers, graph):
    workers = open_workers(max_sequences=8)
    graph.gate.clear()
    threads = [in_thread(lambda: workers.run(inputs(30), Job()))]
    graph.entered.wait(30)
    for place, lengths in enumerate([(13, 12, 11), (13, 12), (11, 12)], start=2):
        threads.append(in_thread(lambda lengths=lengths: workers.run(inputs(*lengths), Job())))
        until(lambda place=place: len(workers.scheduler._queue) == place - 1)
    graph.gate.set()
    for thread, _ in threads:
        thread.join(30)
    outcomes = [outcome[0] for _, outcome in threads]
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [False, True, True, False]
    assert outcomes[3] == [0, 1]
    assert workers.scheduler.waiting == Waiting(0, 0)


def test_a_full_queue_refuses_before_anything_runs(open_workers, graph):
    workers = open_workers(max_waiting=100)
    graph.gate.clear()
    threads = [in_thread(lambda: workers.run(inputs(30), Job()))]
    graph.entered.wait(30)
    # An empty queue takes a job of any size, since it could never run otherwise.
    threads.append(in_thread(lambda: workers.run(inputs(*[60] * 5), Job())))
    until(lambda: workers.scheduler.waiting.sequences == 5)
    with pytest.raises(QueueFull) as refused:
        workers.run(inputs(1), Job())
    assert refused.value.retry_after >= 1
    with pytest.raises(QueueFull):
        workers.scheduler.admit()
    graph.gate.set()
    for thread, outcome in threads:
        thread.join(30)
        assert isinstance(outcome[0], list)
    workers.scheduler.admit()
    assert workers.run(inputs(1), Job()) == [0]


def test_how_long_to_wait_follows_from_the_pace(open_workers, graph):
    workers = open_workers(max_sequences=1, max_waiting=10)
    graph.gate.clear()
    threads = [in_thread(lambda: workers.run(inputs(10), Job()))]
    graph.entered.wait(30)
    time.sleep(0.5)
    graph.gate.set()
    threads[0][0].join(30)
    graph.gate.clear()
    graph.entered.clear()
    threads.append(in_thread(lambda: workers.run(inputs(*[10] * 9), Job())))
    graph.entered.wait(30)
    until(lambda: workers.scheduler.waiting.sequences == 8)
    with pytest.raises(QueueFull) as refused:
        workers.scheduler.admit()
    # 80 tokens at less than 10 in half a second.
    assert 4 <= refused.value.retry_after <= 20
    graph.gate.set()
    threads[1][0].join(30)


def test_a_cancelled_job_leaves_the_queue_and_its_call_ends(open_workers, graph):
    workers = open_workers(max_sequences=1)
    graph.gate.clear()
    running = in_thread(lambda: workers.run(inputs(30), Job()))
    graph.entered.wait(30)
    job = Job()
    thread, outcome = in_thread(lambda: workers.run(inputs(1, 2, 3), job))
    until(lambda: workers.scheduler.waiting.sequences == 3)
    job.cancel()
    thread.join(30)
    assert isinstance(outcome[0], Cancelled)
    assert workers.scheduler.waiting == Waiting(0, 0)
    graph.gate.set()
    running[0].join(30)
    assert graph.runs == [[30]]


def test_a_job_cancelled_before_it_is_queued_never_is(open_workers, graph):
    job = Job()
    job.cancel()
    with pytest.raises(Cancelled):
        open_workers().run(inputs(1), job)
    assert graph.runs == []


def test_a_deadline_ends_the_call_and_drops_what_waits(open_workers, graph):
    workers = open_workers(max_sequences=1)
    graph.gate.clear()
    running = in_thread(lambda: workers.run(inputs(30), Job()))
    graph.entered.wait(30)
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        workers.run(inputs(1, 2), Job(timeout=0.05))
    assert workers.scheduler.waiting == Waiting(0, 0)
    graph.gate.set()
    running[0].join(30)
    assert graph.runs == [[30]]


def test_a_job_has_its_own_bound_on_tokens(open_workers, graph):
    with pytest.raises(InvalidInput, match="has 101 tokens, more than the 100"):
        open_workers().run(inputs(50, 51), Job(max_tokens=100))
    assert graph.runs == []


def test_a_job_knows_what_it_took(open_workers, graph):
    batches = []
    job = Job()
    workers = open_workers(max_sequences=2)
    workers.on_batch = batches.append
    workers.run(inputs(3, 9, 5), job)
    assert (job.sequences, job.tokens) == (3, 17)
    assert job.created <= job.submitted <= job.started <= job.finished <= time.perf_counter()
    until(lambda: len(batches) == 2)
    assert [(batch.sequences, batch.tokens, batch.padding) for batch in batches] == [(2, 14, 4), (1, 3, 0)]


def test_closing_finishes_what_waits(open_workers, graph):
    workers = open_workers(max_sequences=1)
    graph.gate.clear()
    thread, outcome = in_thread(lambda: workers.run(inputs(1, 2, 3), Job()))
    graph.entered.wait(30)
    threading.Timer(0.05, graph.gate.set).start()
    workers.close()
    thread.join(30)
    assert outcome == [[0, 1, 2]]


def test_dropping_closed_workers_frees_the_graph_at_once():
    """Nothing refers to itself in a circle, so that gigabytes do not wait for a garbage collection."""
    graph = Graph()
    workers = Workers(graph.__call__, Schedule(8, 1024, 2, 1))
    workers.run(inputs(3, 4), Job())
    workers.close()
    freed = weakref.ref(graph)
    gc.disable()
    try:
        del workers, graph
        assert freed() is None
    finally:
        gc.enable()


def test_a_call_after_the_end_is_refused_every_time(open_workers):
    workers = open_workers(workers=2)
    workers.close()
    for _ in range(3):
        with pytest.raises(EngineClosed, match=r"^The engine is closed: open its artifact again"):
            workers.run(inputs(3, 4), Job())
    assert workers.scheduler.waiting == Waiting(0, 0)


def test_an_observer_that_fails_costs_nobody_anything(open_workers):
    workers = open_workers(workers=2)
    workers.on_batch = lambda batch: 1 / 0
    for _ in range(3):
        assert workers.run(inputs(3, 4), Job(timeout=30)) == [0, 1]


@pytest.mark.parametrize("step", ["take", "deliver"])
def test_a_fault_of_a_worker_ends_the_call_and_the_next_one_works(open_workers, monkeypatch, step):
    workers = open_workers(workers=1)

    def broken(*_):
        raise ZeroDivisionError(step)

    with monkeypatch.context() as patch:
        patch.setattr(workers.scheduler, step, broken)
        with pytest.raises(ZeroDivisionError, match=step):
            workers.run(inputs(3, 4), Job(timeout=30))
    assert workers.run(inputs(3, 4), Job(timeout=30)) == [0, 1]
    assert workers.scheduler.waiting == Waiting(0, 0)
