from typing import Any

import pytest

from api.errors import InvalidRequest
from api.wire.long_inputs import advise
from engine import InputTooLong, InvalidInput


def answering(error: Exception | None) -> Any:
    @advise("set truncate to true")
    def answer(request: str, call: Any) -> str:
        """Answers."""
        if error is not None:
            raise error
        return request

    return answer


def test_the_dialects_own_remedy_is_named() -> None:
    with pytest.raises(InvalidRequest) as raised:
        answering(InputTooLong(1234, 512))("a", None)
    assert str(raised.value) == (
        "An input has 1,234 tokens, more than this model takes: shorten it, or set truncate to true."
    )
    assert raised.value.parameter == "body.truncate"


def test_nothing_else_changes() -> None:
    assert answering(None)("a", None) == "a"
    assert answering(None).__doc__ == "Answers."
    with pytest.raises(InvalidInput, match="so not"):
        answering(InvalidInput("so not"))("a", None)
