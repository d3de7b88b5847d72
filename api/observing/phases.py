"""Divides a request's time in the engine into phases, which metrics, logs and traces call by the same names."""

from dataclasses import dataclass
from typing import Final

from engine import Job

PHASES: Final = ("tokenise", "wait", "infer")


@dataclass(frozen=True, slots=True)
class Phase:
    """One of `PHASES`, between two `time.perf_counter()` readings in seconds."""

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def phases(job: Job | None) -> list[Phase]:
    """The phases that a job ended, in order: not all where it was refused, cancelled or failed."""
    if job is None:
        return []
    marks = (job.created, job.submitted, job.started, job.finished)
    return [
        Phase(name, start, end)
        for name, start, end in zip(PHASES, marks, marks[1:], strict=False)
        if start is not None and end is not None
    ]
