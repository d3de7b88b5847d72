"""The parts of a request's time in the engine, by the names that metrics, logs and traces have in common."""

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
    """What a job went through to its end, in order; where it was refused, cancelled or failed, the rest is missing."""
    if job is None:
        return []
    marks = (job.created, job.submitted, job.started, job.finished)
    return [
        Phase(name, start, end)
        for name, start, end in zip(PHASES, marks, marks[1:], strict=False)
        if start is not None and end is not None
    ]
