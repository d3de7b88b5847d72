"""Runs a scheduler's batches on threads. One step is: take a batch, run it, deliver its rows."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeAlias

from ..arrays import Floats
from ..errors import EngineClosed
from ..job import Job
from .scheduler import Schedule, Scheduler, Taken, Waits, rounded_up

_LOGGER = logging.getLogger("scorert")

Run: TypeAlias = Callable[[Sequence[Waits]], list[Floats]]
"""Computes one micro-batch: a row for each input."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of the graph: its inputs, their tokens, the padding computed besides, and how long it took."""

    sequences: int
    tokens: int
    padding: int
    seconds: float


class Workers(Generic[Waits]):
    """`schedule.workers` threads that compute what `scheduler` has. Thread-safe.

    A worker never waits while there is something to run.
    """

    def __init__(self, run: Run[Waits], schedule: Schedule) -> None:
        self.scheduler: Scheduler[Waits] = Scheduler(schedule)
        self.on_batch: Callable[[Batch], None] = lambda batch: None
        """Hears of each run that worked, on the worker's thread."""
        self._run = run
        self._multiple = schedule.multiple
        self._threads = ThreadPoolExecutor(schedule.workers, thread_name_prefix="scorert-worker")

    def run(self, inputs: Sequence[Waits], job: Job) -> list[Floats]:
        """The graph's rows for each input, in order; blocks until they are there.

        A caller that has submitted the job itself has counted more inputs than those left to run: remembered ones.

        Raises `QueueFull`, `EngineClosed`, what `Job.check` and `Job.submit` raise, and what the graph raises for one
        of the inputs.
        """
        if job.submitted is None:
            job.submit([len(item) for item in inputs])
        work, started = self.scheduler.enter(inputs, job)
        try:
            job.on_cancel(work.done.set)
            self._start(started)
            work.done.wait(job.remaining())
        finally:
            # What has not begun of a job that is late or cancelled, or whose thread is interrupted.
            self.scheduler.leave(work)
        if work.error is not None:
            raise work.error
        if work.left:
            job.check()
            raise job.late()
        return work.rows

    def close(self) -> None:
        """Finish what is waiting and running, and end the threads."""
        self._threads.shutdown()

    def _start(self, workers: int) -> None:
        for started in range(workers):
            try:
                self._threads.submit(self._work)
            except RuntimeError:
                self.scheduler.retire(workers - started)
                raise EngineClosed from None

    def _work(self) -> None:
        """Take batches until nothing waits. A fault in here ends all calls with it, or they would wait for ever."""
        taken: Taken[Waits] = []
        try:
            while taken := self.scheduler.take():
                self._step(taken)
        except Exception as error:
            _LOGGER.exception("A worker failed, and what waited with it")
            self.scheduler.retire()
            self.scheduler.fail(error, taken)

    def _step(self, taken: Taken[Waits]) -> None:
        began = time.perf_counter()
        inputs = [work.inputs[index] for work, index in taken]
        outcomes = self._outcomes(inputs)
        seconds = time.perf_counter() - began
        self.scheduler.deliver(taken, outcomes, seconds)
        if any(isinstance(outcome, Exception) for outcome in outcomes):
            return
        try:
            self.on_batch(self._batch(inputs, seconds))
        except Exception:
            _LOGGER.exception("An observer of batches failed")

    def _outcomes(self, inputs: Sequence[Waits]) -> list[Floats | Exception]:
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

    def _batch(self, inputs: Sequence[Waits], seconds: float) -> Batch:
        lengths = [len(item) for item in inputs]
        tokens, width = sum(lengths), rounded_up(max(lengths), self._multiple)
        return Batch(len(lengths), tokens, len(lengths) * width - tokens, seconds)
