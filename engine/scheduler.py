"""What waits for the graph, and which of it runs next."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .job import Job
from .layout import Input

Floats = NDArray[np.float32]
Run = Callable[[Sequence[Input]], list[Floats]]

# A micro-batch takes in other jobs' inputs when they are at least this part of its longest: little padding.
_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much goes into one run, and how many runs go on at a time.

    `max_tokens` counts padding too. `workers` runs happen at once, each on `threads` threads.
    """

    max_sequences: int
    max_tokens: int
    workers: int
    threads: int


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


class _Work:
    """A job's inputs that wait, and the rows of those that have run."""

    def __init__(self, inputs: Sequence[Input], job: Job, arrival: int) -> None:
        self.inputs = inputs
        self.job = job
        self.place = (job.priority, arrival)
        # The longest is taken first, from the end, so that several workers end together.
        self.waiting = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
        self.rows: list[Floats] = [np.empty(0, np.float32)] * len(inputs)
        self.left = len(inputs)
        self.error: BaseException | None = None
        self.done = threading.Event()

    def longest(self) -> int:
        return len(self.inputs[self.waiting[-1]])

    def take(self, shortest: int, longest: int, room: int) -> list[int]:
        """Up to `room` inputs of `shortest` to `longest` tokens, the longest first."""
        lengths = [len(self.inputs[index]) for index in self.waiting]
        end = bisect_left(lengths, longest + 1)
        start = max(end - room, bisect_left(lengths, shortest))
        taken = self.waiting[start:end]
        del self.waiting[start:end]
        return taken[::-1]
