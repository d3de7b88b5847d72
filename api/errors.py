"""What a client is told when a request fails: one error object, one sentence in it."""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from engine import InputTooLong, InvalidInput, ScoreRTError, UnsupportedTask


class RequestError(Exception):
    """A request that cannot be answered; the message is the sentence its client reads."""

    status = HTTPStatus.BAD_REQUEST
    type = "BadRequestError"
    parameter: str | None = None


class InvalidRequest(RequestError):
    """The body is not what the path takes. `parameter` is "body", or "body.FIELD"."""

    type = "Bad Request"

    def __init__(self, message: str, parameter: str | None) -> None:
        super().__init__(message)
        self.parameter = parameter


class UnknownModel(RequestError):
    """The request names a model that is not served."""

    status = HTTPStatus.NOT_FOUND
    type = "NotFoundError"

    def __init__(self, name: str, served: Sequence[str]) -> None:
        names = ", ".join(f"`{name}`" for name in served)
        super().__init__(f"The model `{name}` does not exist; this server has {names}.")


class TextOnlyModel(RequestError):
    """The request has an image, audio or video part and the model reads text."""

    def __init__(self, architecture: str) -> None:
        super().__init__(f"MultiModalParam is not supported for {architecture}")


class Error(msgspec.Struct, frozen=True):
    """`type` and `parameter` are for programs, `message` for people; `code` is the HTTP status."""

    message: str
    type: str
    parameter: str | None = msgspec.field(name="param")
    code: int


class ErrorBody(msgspec.Struct, frozen=True):
    """What every error response holds."""

    error: Error


def client_error(error: RequestError | ScoreRTError) -> Error | None:
    """The error object for what a client can put right, or None where the fault is the server's."""
    match error:
        case RequestError():
            return Error(str(error), error.type, error.parameter, error.status)
        case InputTooLong():
            return Error(str(error), "BadRequestError", error.parameter, HTTPStatus.BAD_REQUEST)
        case InvalidInput(parameter=None):
            return Error(str(error), "BadRequestError", None, HTTPStatus.BAD_REQUEST)
        case InvalidInput():
            return Error(str(error), "Bad Request", f"body.{error.parameter}", HTTPStatus.BAD_REQUEST)
        case UnsupportedTask():
            return Error(str(error), "BadRequestError", "task", HTTPStatus.BAD_REQUEST)
        case _:
            return None


def status_error(status: int, message: str) -> Error:
    """The error object of a plain HTTP status, such as 404 for an unknown path."""
    return Error(message, HTTPStatus(status).phrase, None, status)
