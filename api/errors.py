"""Tells a client why its request failed: one error object, one sentence in it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from engine import (
    Cancelled,
    DeadlineExceeded,
    EngineClosed,
    InputTooLong,
    InvalidInput,
    QueueFull,
    ScoreRTError,
    ScoreTypeName,
    UnsupportedTask,
)

# As much of what a client sent as it needs to see which it was: a choice.
_LONGEST_NAME = 200

CLIENT_LEFT = 499
"""The status recorded for a request whose client left before the answer; nginx's number for it. Nobody receives it."""


class RequestError(Exception):
    """A request that cannot be answered; the message is the sentence its client reads."""

    status = HTTPStatus.BAD_REQUEST
    type = "BadRequestError"
    parameter: str | None = None
    headers: Mapping[str, str] = {}


class InvalidRequest(RequestError):
    """The body is not what the path takes. `parameter` is "body", or "body.FIELD"."""

    type = "Bad Request"

    def __init__(self, message: str, parameter: str | None) -> None:
        super().__init__(message)
        self.parameter = parameter


class InvalidField(InvalidRequest):
    """The body is JSON, and a field of it is not what the path takes."""


class UnknownModel(RequestError):
    """The request names a model that is not served."""

    status = HTTPStatus.NOT_FOUND
    type = "NotFoundError"

    def __init__(self, name: str, served: Sequence[str]) -> None:
        names = ", ".join(f"`{name}`" for name in served)
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        super().__init__(f"The model `{shown}` does not exist; this server has {names}.")


class WrongModel(RequestError):
    """The path is of another score type than the model that the request names."""

    status = HTTPStatus.NOT_FOUND
    type = HTTPStatus.NOT_FOUND.phrase

    def __init__(self, name: str, score_type: ScoreTypeName, wanted: ScoreTypeName) -> None:
        super().__init__(
            f"The model `{name}` is a {score_type} model, and this path is for {wanted} models: use /score or /rerank, "
            f"or /pooling for what the model gives."
        )


class TextOnlyModel(RequestError):
    """The request has an image and the model reads text. The sentence begins as vLLM's."""

    def __init__(self, architecture: str) -> None:
        super().__init__(
            f"MultiModalParam is not supported for {architecture}: leave images out, or use a model that reads them."
        )


class UnreadPart(RequestError):
    """The request has a part that no model is given; `kind` begins the sentence, such as "Video"."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} parts are not read yet: send image_url parts and text parts.")


class MediaArguments(RequestError):
    """The request says how images are to be read, which vLLM's servers refuse in the same words unless told."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"Per-request {parameter} are disabled: leave them out, the model says how images are read.")
        self.parameter = parameter


class NoPlugin(RequestError):
    """The request's task is for a plugin. The sentence begins as vLLM's."""

    parameter = "task"

    def __init__(self) -> None:
        super().__init__("No IOProcessor plugin installed. There are none here: leave task out for the model's own.")


class TooManyImages(RequestError):
    """The request has more images than one may have."""

    parameter = "image"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request has more than {limit:,} images, the most that one may have: send several.")


class BodyTooLarge(RequestError):
    """The body has more bytes than a request may have."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    type = status.phrase
    parameter = "body"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit:,} bytes: send fewer or shorter texts, or smaller pictures, at a time."
        )


class UnreadEncoding(RequestError):
    """The body is compressed in a way that is not read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    type = status.phrase
    headers: Mapping[str, str] = {"Accept-Encoding": "gzip, deflate"}

    def __init__(self, encoding: str) -> None:
        super().__init__(f"The content-encoding must be gzip or deflate, not {encoding}: or send the body as it is.")


class BodyTooSlow(RequestError):
    """The body did not arrive in the time that a request has. What is still to come of it is not waited for."""

    status = HTTPStatus.REQUEST_TIMEOUT
    type = status.phrase
    parameter = "body"
    headers: Mapping[str, str] = {"Connection": "close"}

    def __init__(self, timeout: float) -> None:
        super().__init__(f"The body did not arrive within {timeout:g} s: send it faster, or a smaller one.")


class ServerBusy(RequestError):
    """As many requests as the server takes are being answered."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = status.phrase
    headers: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self, limit: int) -> None:
        super().__init__(f"The server is answering {limit:,} requests, and takes no more at once: try again in 1 s.")


class ImagesFull(RequestError):
    """The requests being answered hold as many pixels of images as the server may hold."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = status.phrase
    headers: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self, limit: int) -> None:
        super().__init__(f"The server is at work on images of {limit:,} pixels, and takes no more: try again in 1 s.")


class InvalidKey(RequestError):
    """The request has no API key, or another than the server's."""

    status = HTTPStatus.UNAUTHORIZED
    type = status.phrase
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class Error(msgspec.Struct, frozen=True):
    """`type` and `param` are for programs, `message` for people; `code` is the HTTP status."""

    message: str
    type: str
    parameter: str | None = msgspec.field(name="param")
    code: int


class ErrorBody(msgspec.Struct, frozen=True):
    """What every error response holds; the request's id is in its header `X-Request-Id` and the server's log too.

    `message` and `detail` are the error's sentence, where Cohere's clients and Jina's look for it.
    """

    error: Error
    message: str
    detail: str
    request_id: str


def client_error(error: RequestError | ScoreRTError) -> Error | None:
    """The error object for what a client can put right or wait for, or None where the fault is the server's."""
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
        case QueueFull():
            return status_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        case DeadlineExceeded():
            return status_error(HTTPStatus.GATEWAY_TIMEOUT, str(error))
        case EngineClosed():
            return status_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        case Cancelled():
            return Error(str(error), "Client Closed Request", None, CLIENT_LEFT)
        case _:
            return None


def error_headers(error: Exception) -> Mapping[str, str]:
    """The headers that go with an error, such as when to try again."""
    if isinstance(error, QueueFull):
        return {"Retry-After": str(error.retry_after)}
    return error.headers if isinstance(error, RequestError) else {}


def status_error(status: int, message: str) -> Error:
    """The error object of a plain HTTP status, such as 404 for an unknown path."""
    return Error(message, HTTPStatus(status).phrase, None, status)
