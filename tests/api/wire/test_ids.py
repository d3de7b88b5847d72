import re
from types import SimpleNamespace
from typing import Any

from api.wire.ids import random_id, response_id


def test_a_response_goes_by_the_id_of_its_request() -> None:
    call: Any = SimpleNamespace(record=SimpleNamespace(request_id="logged"))
    assert response_id("score", "given", call) == "score-given"
    assert response_id("score", "", call) == "score-"
    assert response_id("score", None, call) == "score-logged"


def test_random_ids_differ() -> None:
    ids = {random_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
