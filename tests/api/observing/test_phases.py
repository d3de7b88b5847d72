from api.observing.phases import PHASES, Phase, phases
from engine import Job


def test_the_phases_of_a_job_follow_one_another() -> None:
    job = Job()
    job.submitted, job.started, job.finished = job.created + 1, job.created + 3, job.created + 6
    found = phases(job)
    assert tuple(phase.name for phase in found) == PHASES
    assert [phase.end for phase in found[:-1]] == [phase.start for phase in found[1:]]
    assert [round(phase.seconds, 6) for phase in found] == [1, 2, 3]


def test_phases_that_did_not_end_are_left_out() -> None:
    job = Job()
    assert phases(job) == phases(None) == []
    job.submitted = job.created + 1
    assert phases(job) == [Phase("tokenise", job.created, job.submitted)]
