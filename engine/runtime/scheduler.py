"""What waits for the graph, and which of it runs next."""

import math
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import QueueFull
from ..job import Job
from ..text.layout import Input

Floats = NDArray[np.float32]
Run = Callable[[Sequence[Input]], list[Floats]]

# A run takes in another job's inputs where they are at least this part of its longest: little padding.
_ALIKE = 0.8
# Tokens of a job's turn: some 25 documents of usual length.
_SLICE = 2048
# How much the latest run weighs in the pace, and the longest that a refused client is sent away for, in seconds.
_WEIGHT = 0.1
_LONGEST_WAIT = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much goes into one run, and how many runs go on at a time.

    `max_tokens` counts padding too; where `padded` is false, only inputs of one length share a run, and no more than a
    worker's share of what waits. Runs are padded to a `multiple` of so many tokens besides. `workers` runs happen at
    once, each on `threads` threads. `max_waiting` bounds the tokens that wait; None is no bound.
    """

    max_sequences: int
    max_tokens: int
    workers: int
    threads: int
    max_waiting: int | None = None
    padded: bool = True
    multiple: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of the graph: its inputs, their tokens, the padding computed besides, and how long it took."""

    sequences: int
    tokens: int
    padding: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What no worker has taken yet."""

    sequences: int
    tokens: int


def rounded_up(tokens: int, multiple: int) -> int:
    """To the next multiple."""
    return -(-tokens // multiple) * multiple


class Scheduler:
    """Runs the inputs of all jobs, in micro-batches across jobs. Thread-safe.

    Jobs go by priority. Those of one priority take turns, small jobs whole and large ones in slices, as in self-clocked
    fair queueing (Golestani, https://doi.org/10.1109/INFCOM.1994.337677): a small job waits for no more than a slice of
    a large one, small ones hold up a large one for a while only, and jobs of one size go by arrival.

    A run starts with the longest input of the first job and takes in that job's next ones, then those of other jobs
    that are about as long. A worker never waits while there is something to run.
    """

    def __init__(self, run: Run, schedule: Schedule) -> None:
        """`run` computes one micro-batch."""
        self._run = run
        self._schedule = schedule
        self.on_batch: Callable[[Batch], None] = lambda batch: None
        """Hears of each run that worked, on the worker's thread."""
        self._lock = threading.Lock()
        self._queue: list[_Work] = []
        self._clock = 0
        """The latest turn, in tokens."""
        self._waiting = Waiting(0, 0)
        self._busy = 0
        self._pace: float | None = None
        """Tokens a second of one worker, lately."""
        self._workers = ThreadPoolExecutor(schedule.workers, thread_name_prefix="scorert-worker")

    @property
    def waiting(self) -> Waiting:
        return self._waiting

    def admit(self, tokens: int = 1) -> None:
        """Raises `QueueFull` where so many more may not wait. An empty queue takes any number."""
        limit = self._schedule.max_waiting
        if limit is not None and self._waiting.tokens and self._waiting.tokens + tokens > limit:
            raise QueueFull(self._room_in())

    def run(self, inputs: Sequence[Input], job: Job) -> list[Floats]:
        """The graph's rows for each input, in order; blocks until they are there.

        A job that is submitted already had more inputs than those that are left to run.

        Raises `QueueFull`, what `Job.check` and `Job.submit` raise, and what the graph raises for one of the inputs.
        """
        if job.submitted is None:
            job.submit([len(item) for item in inputs])
        work = self._enter(inputs, job)
        try:
            work.done.wait(job.remaining())
        finally:
            # What has not begun of a job that is late or cancelled, or whose thread is interrupted.
            self._leave(work)
        if work.error is not None:
            raise work.error
        if work.left:
            job.check()
            raise job.late()
        return work.rows

    def close(self) -> None:
        """Finish what is waiting and running, and end the workers."""
        self._workers.shutdown()

    def _enter(self, inputs: Sequence[Input], job: Job) -> "_Work":
        with self._lock:
            work = _Work(inputs, job, self._clock)
            self.admit(work.tokens)
            insort(self._queue, work, key=_Work.place)
            self._count(len(inputs), work.tokens)
            idle = min(self._schedule.workers - self._busy, len(inputs))
            self._busy += idle
        job.on_cancel(work.done.set)
        for _ in range(idle):
            self._workers.submit(self._drain)
        return work

    def _leave(self, work: "_Work") -> None:
        """Drop what has not begun of a job that nobody waits for."""
        with self._lock:
            # The queue is not searched for what has run, which is nearly every job.
            if work.waiting and work in self._queue:
                self._queue.remove(work)
                self._count(-len(work.waiting), -sum(work.lengths))

    def _drain(self) -> None:
        """A worker's turn: one micro-batch after the other until nothing waits."""
        while taken := self._take():
            began = time.perf_counter()
            inputs = [work.inputs[index] for work, index in taken]
            outcomes = self._outcomes(inputs)
            self._deliver(taken, outcomes)
            self._note(inputs, outcomes, time.perf_counter() - began)

    def _take(self) -> "list[tuple[_Work, int]]":
        """The next micro-batch, by jobs and places in them; empty where nothing waits, and the worker is done."""
        with self._lock:
            if not self._queue:
                self._busy -= 1
                return []
            self._clock = max(self._clock, self._queue[0].turn)
            longest = self._queue[0].lengths[-1]
            room = self._room(longest)
            taken: list[tuple[_Work, int]] = []
            moved = []
            for place, work in enumerate(self._queue):
                if len(taken) == room:
                    break
                turn = work.turn
                for index in work.take(self._shortest(longest, place), longest, room - len(taken)):
                    taken.append((work, index))
                if not work.waiting or work.turn != turn:
                    moved.append(work)
            for work in moved:
                self._queue.remove(work)
            for work in moved:
                if work.waiting:
                    insort(self._queue, work, key=_Work.place)
            self._count(-len(taken), -sum(len(work.inputs[index]) for work, index in taken))
        return taken

    def _room(self, longest: int) -> int:
        """How many inputs of up to so many tokens go into one run."""
        width = rounded_up(longest, self._schedule.multiple)
        room = min(self._schedule.max_sequences, self._schedule.max_tokens // max(1, width))
        if not self._schedule.padded:
            # Workers that compute side by side all get something.
            room = min(room, math.ceil(self._waiting.sequences / self._schedule.workers))
        return max(1, room)

    def _shortest(self, longest: int, place: int) -> int:
        """The fewest tokens that may share a run with `longest`, of the job at a place in the queue."""
        if not self._schedule.padded:
            return longest
        return math.ceil(longest * _ALIKE) if place else 0

    def _outcomes(self, inputs: Sequence[Input]) -> list[Floats | Exception]:
        """A row for each input, or why it has none: where a run fails, its halves are tried, down to single inputs.

        So an input that the graph cannot take, or a batch that memory does not hold, costs its neighbours nothing.
        """
        try:
            return list(self._run(inputs))
        except Exception as error:
            if len(inputs) == 1:
                return [error]
            half = len(inputs) // 2
            return [*self._outcomes(inputs[:half]), *self._outcomes(inputs[half:])]

    def _deliver(self, taken: "list[tuple[_Work, int]]", outcomes: Sequence[Floats | Exception]) -> None:
        failed = []
        with self._lock:
            for (work, index), outcome in zip(taken, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    work.error = outcome
                    failed.append(work)
                else:
                    work.rows[index] = outcome
                    work.left -= 1
                if not work.left or work.error:
                    work.job.finished = time.perf_counter()
                    work.done.set()
        for work in failed:
            self._leave(work)

    def _note(self, inputs: Sequence[Input], outcomes: Sequence[Floats | Exception], seconds: float) -> None:
        if any(isinstance(outcome, Exception) for outcome in outcomes):
            return
        lengths = [len(item) for item in inputs]
        tokens, width = sum(lengths), rounded_up(max(lengths), self._schedule.multiple)
        pace = tokens / max(seconds, 1e-9)
        self._pace = pace if self._pace is None else (1 - _WEIGHT) * self._pace + _WEIGHT * pace
        self.on_batch(Batch(len(lengths), tokens, len(lengths) * width - tokens, seconds))

    def _room_in(self) -> int:
        """In how many seconds what waits now will have run, at the pace of late."""
        if self._pace is None:
            return 1
        seconds = self._waiting.tokens / (self._pace * self._schedule.workers)
        return max(1, min(_LONGEST_WAIT, math.ceil(seconds)))

    def _count(self, sequences: int, tokens: int) -> None:
        self._waiting = Waiting(self._waiting.sequences + sequences, self._waiting.tokens + tokens)


class _Work:
    """A job's inputs that wait, by length, and the rows of those that have run."""

    def __init__(self, inputs: Sequence[Input], job: Job, clock: int) -> None:
        self.inputs = inputs
        self.job = job
        self._entered = clock
        self._taken = 0
        # Ascending: the longest is taken first, from the end, so that several workers end together.
        self.waiting = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
        self.lengths = [len(inputs[index]) for index in self.waiting]
        self.tokens = sum(self.lengths)
        self.rows: list[Floats] = [np.empty(0, np.float32)] * len(inputs)
        self.left = len(inputs)
        self.error: Exception | None = None
        self.done = threading.Event()

    @property
    def turn(self) -> int:
        """The clock's time when its slice ends."""
        return self._entered + min(self.tokens, (self._taken // _SLICE + 1) * _SLICE)

    def place(self) -> tuple[int, int]:
        return self.job.priority, self.turn

    def take(self, shortest: int, longest: int, room: int) -> list[int]:
        """Up to `room` inputs of `shortest` to `longest` tokens, the longest first; they wait no more."""
        end = bisect_left(self.lengths, longest + 1)
        start = max(end - room, bisect_left(self.lengths, shortest))
        taken = self.waiting[start:end]
        self._taken += sum(self.lengths[start:end])
        del self.waiting[start:end], self.lengths[start:end]
        if taken and self.job.started is None:
            self.job.started = time.perf_counter()
        return taken[::-1]
