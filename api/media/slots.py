"""Bounds how many do the same thing at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine import Job

_NOTICED_WITHIN = 0.25
"""Seconds until a job that waits is seen to have ended."""


class Slots:
    """So many jobs have one at a time, and others wait."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def taken(self, job: Job) -> Iterator[None]:
        """Have one for as long as the context lasts. Raises `Cancelled` or `DeadlineExceeded` with the job."""
        job.check()
        while not self._free.acquire(timeout=_NOTICED_WITHIN):
            job.check()
        try:
            yield
        finally:
            self._free.release()
