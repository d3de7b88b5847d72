import pytest

from api.errors import (
    CLIENT_LEFT,
    Error,
    InvalidKey,
    InvalidRequest,
    RequestError,
    ServerBusy,
    client_error,
    error_headers,
    status_error,
)
from engine import Cancelled, InputTooLong, InvalidInput, QueueFull, ScoreRTError, UnsupportedTask


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidRequest("no", "body.top_n"), Error("no", "Bad Request", "body.top_n", 400)),
        (InvalidInput("no", "documents"), Error("no", "Bad Request", "body.documents", 400)),
        (InvalidInput("no"), Error("no", "BadRequestError", None, 400)),
        (InputTooLong(9, 8), Error(str(InputTooLong(9, 8)), "BadRequestError", "input_tokens", 400)),
        (UnsupportedTask("a", ["b"]), Error(str(UnsupportedTask("a", ["b"])), "BadRequestError", "task", 400)),
        (QueueFull(3), Error(str(QueueFull(3)), "Service Unavailable", None, 503)),
        (Cancelled(), Error("The request was cancelled.", "Client Closed Request", None, CLIENT_LEFT)),
        (ScoreRTError("a secret"), None),
    ],
)
def test_what_a_client_is_told(error: RequestError | ScoreRTError, told: Error | None) -> None:
    assert client_error(error) == told


def test_headers_say_when_to_come_back_and_how_to_ask() -> None:
    assert error_headers(QueueFull(3)) == {"Retry-After": "3"}
    assert error_headers(ServerBusy(1)) == {"Retry-After": "1"}
    assert error_headers(InvalidKey("")) == {"WWW-Authenticate": "Bearer"}
    assert error_headers(ValueError()) == {}


def test_a_plain_status() -> None:
    assert status_error(405, "Not so.") == Error("Not so.", "Method Not Allowed", None, 405)
