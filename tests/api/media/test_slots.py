import threading
import time

import pytest

from api.media.slots import Slots
from engine import Cancelled, DeadlineExceeded, Job


def test_so_many_have_one_and_the_next_waits() -> None:
    slots, had = Slots(1), threading.Event()

    def wait() -> None:
        with slots.taken(Job(timeout=20)):
            had.set()

    with slots.taken(Job()):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not had.wait(0.1)
    assert had.wait(10)
    waiting.join()


def test_a_fault_gives_it_back() -> None:
    slots = Slots(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), slots.taken(Job()):
            raise ZeroDivisionError
    with slots.taken(Job(timeout=1)):
        pass


def test_who_has_no_time_waits_no_longer() -> None:
    slots, job = Slots(1), Job()
    with slots.taken(Job()):
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded), slots.taken(Job(timeout=0.1)):
            pass
        threading.Timer(0.1, job.cancel).start()
        with pytest.raises(Cancelled), slots.taken(job):
            pass
        assert time.monotonic() - began < 2
    with pytest.raises(Cancelled), slots.taken(job):
        pass
