"""Decides which inputs run next and which of them share a run. It knows inputs, costs and turns, and no device.

A worker takes a batch, runs it elsewhere, and delivers its rows: see `workers`.
"""

import math
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from ..arrays import Floats
from ..errors import QueueFull
from ..job import Job

# A run takes another job's input that has at least this part of the tokens of its longest, so that little is padding.
# A choice: at 0.8 no run of the bench has padding, and at 1 jobs would hardly share runs.
_ALIKE = 0.8
# The cost of a job's turn, some 25 documents of usual length: docs/benchmarks/log.md, "Scheduling".
_SLICE = 2048
# How much the latest run weighs in the pace, and the longest that a refused client is sent away for, in seconds.
# Choices.
_WEIGHT = 0.1
_LONGEST_WAIT = 60


class Item(Protocol):
    """What waits for a graph, an input of texts or a picture: how long it is in a run, and what it costs in a turn."""

    def __len__(self) -> int: ...

    @property
    def cost(self) -> int: ...


Waits = TypeVar("Waits", bound=Item)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much goes into one run, and how many runs go on at a time.

    `max_tokens` counts padding too. Where `padded` is false, only inputs of one length share a run, and no more than a
    worker's share of what waits. The sequence length of a run is padded to a multiple of `multiple` tokens. `workers`
    runs go on at once, each on `threads` threads. `max_waiting` bounds the cost of what waits; None is no bound.
    """

    max_sequences: int
    max_tokens: int
    workers: int
    threads: int
    max_waiting: int | None = None
    padded: bool = True
    multiple: int = 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """What no worker has taken yet. `tokens` is the cost of all the inputs."""

    sequences: int
    tokens: int


def rounded_up(tokens: int, multiple: int) -> int:
    """To the next multiple."""
    return -(-tokens // multiple) * multiple


class Scheduler(Generic[Waits]):
    """The queue of all jobs' inputs, in micro-batches across jobs. Thread-safe.

    Jobs go by priority. Those of one priority take turns, small jobs whole and large ones in slices, as in self-clocked
    fair queueing (Golestani, https://doi.org/10.1109/INFCOM.1994.337677): a small job waits for no more than a slice of
    a large one, small ones hold up a large one for a while only, and jobs of one size go by arrival.

    A batch starts with the longest input of the first job and takes in that job's next ones, then those of other jobs
    that are about as long. Turns and bounds count an input's cost, batches its tokens.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._lock = threading.Lock()
        self._queue: list[Work[Waits]] = []
        self._clock = 0
        """The latest turn, as a cost."""
        self._waiting = Waiting(0, 0)
        self._busy = 0
        self._pace: float | None = None
        """The cost that one worker got through in a second, lately."""

    @property
    def waiting(self) -> Waiting:
        return self._waiting

    def admit(self, cost: int = 1) -> None:
        """Raises `QueueFull` where inputs of that cost may not wait as well. An empty queue takes any."""
        limit = self._schedule.max_waiting
        if limit is not None and self._waiting.tokens and self._waiting.tokens + cost > limit:
            raise QueueFull(self._room_in())

    def enter(self, inputs: Sequence[Waits], job: Job) -> tuple["Work[Waits]", int]:
        """Queue a job's inputs. Also returns how many more workers should now take batches. Raises `QueueFull`."""
        with self._lock:
            work = Work(inputs, job, self._clock)
            self.admit(work.cost)
            insort(self._queue, work, key=_place)
            self._count(len(inputs), work.cost)
            started = min(self._schedule.workers - self._busy, len(inputs))
            self._busy += started
        return work, started

    def leave(self, work: "Work[Waits]") -> None:
        """Drop what has not begun of a job that nobody waits for."""
        with self._lock:
            # The queue is not searched for what has run, which is nearly every job.
            if work.waiting and work in self._queue:
                self._queue.remove(work)
                self._count(-len(work.waiting), -work.waiting_cost)

    def take(self) -> "Taken[Waits]":
        """The next batch. Empty where nothing waits: the worker that asked is then done until `enter` wants another."""
        with self._lock:
            if not self._queue:
                self._busy -= 1
                return []
            self._clock = max(self._clock, self._queue[0].turn)
            longest = self._queue[0].lengths[-1]
            room = self._room(longest)
            taken: Taken[Waits] = []
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
                    insort(self._queue, work, key=_place)
            self._count(-len(taken), -sum(work.inputs[index].cost for work, index in taken))
        return taken

    def deliver(self, taken: "Taken[Waits]", outcomes: Sequence[Floats | Exception], seconds: float) -> None:
        """Hand a batch's rows to its jobs; a job ends with its last row, or with an error. The run took `seconds`."""
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
            self.leave(work)
        if not failed:
            pace = sum(work.inputs[index].cost for work, index in taken) / max(seconds, 1e-9)
            self._pace = pace if self._pace is None else (1 - _WEIGHT) * self._pace + _WEIGHT * pace

    def retire(self, workers: int = 1) -> None:
        """Note that workers which `enter` asked for never came, or ended without an empty `take`."""
        with self._lock:
            self._busy -= workers

    def fail(self, error: Exception, taken: "Taken[Waits]") -> None:
        """End the jobs of a batch, and all that wait, with an error: nobody is left waiting for a fault of our own."""
        with self._lock:
            for work in {id(work): work for work in (*self._queue, *(work for work, _ in taken))}.values():
                work.error = work.error or error
                work.done.set()
            self._queue.clear()
            self._waiting = Waiting(0, 0)

    def _room(self, longest: int) -> int:
        """How many inputs of up to `longest` tokens go into one run."""
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

    def _room_in(self) -> int:
        """In how many seconds what waits now will have run, at the pace of late."""
        if self._pace is None:
            return 1
        seconds = self._waiting.tokens / (self._pace * self._schedule.workers)
        return max(1, min(_LONGEST_WAIT, math.ceil(seconds)))

    def _count(self, sequences: int, cost: int) -> None:
        self._waiting = Waiting(self._waiting.sequences + sequences, self._waiting.tokens + cost)


class Work(Generic[Waits]):
    """A job's inputs in the queue, by length, and the rows of those that have run. `done` is set when it has ended."""

    def __init__(self, inputs: Sequence[Waits], job: Job, clock: int) -> None:
        self.inputs = inputs
        self.job = job
        self._entered = clock
        # Ascending: the longest is taken first, from the end, so that several workers end together.
        self.waiting = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
        self.lengths = [len(inputs[index]) for index in self.waiting]
        self.cost = self.waiting_cost = sum(item.cost for item in inputs)
        self.rows: list[Floats] = [np.empty(0, np.float32)] * len(inputs)
        self.left = len(inputs)
        self.error: Exception | None = None
        self.done = threading.Event()

    @property
    def turn(self) -> int:
        """The clock's time when its slice ends."""
        taken = self.cost - self.waiting_cost
        return self._entered + min(self.cost, (taken // _SLICE + 1) * _SLICE)

    def place(self) -> tuple[int, int]:
        return self.job.priority, self.turn

    def take(self, shortest: int, longest: int, room: int) -> list[int]:
        """Up to `room` inputs of `shortest` to `longest` tokens, the longest first; they wait no more."""
        end = bisect_left(self.lengths, longest + 1)
        start = max(end - room, bisect_left(self.lengths, shortest))
        taken = self.waiting[start:end]
        self.waiting_cost -= sum(self.inputs[index].cost for index in taken)
        del self.waiting[start:end], self.lengths[start:end]
        if taken and self.job.started is None:
            self.job.started = time.perf_counter()
        return taken[::-1]


def _place(work: Work[Waits]) -> tuple[int, int]:
    return work.place()


Taken: TypeAlias = list[tuple[Work[Waits], int]]
"""A batch: each input by its job's work and its place there."""
