"""Says why a request failed in TEI's shape, with TEI's status: https://huggingface.github.io/text-embeddings-inference."""

from http import HTTPStatus
from typing import Literal

import msgspec

from engine import InvalidInput

from ...errors import Error, InvalidField, InvalidRequest, WrongModel

ErrorType = Literal["Validation", "Empty", "Overloaded", "Backend"]


class TEIErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every error response to TEI's clients holds: a sentence in `error`, and again where others look for it."""

    error: str
    error_type: ErrorType
    message: str
    detail: str
    request_id: str


def told(error: Error, cause: Exception | None, texts: int) -> tuple[int, ErrorType]:
    """The status and type that TEI has for an error with its cause, in a request of so many texts.

    Statuses for what TEI has no word for, such as an unknown model, stay as they are.
    """
    match cause:
        case InvalidField():
            return HTTPStatus.UNPROCESSABLE_ENTITY, "Validation"
        case InvalidRequest(parameter=place) if place in (None, "body") or place.removeprefix("body.").isdecimal():
            return error.code, "Validation"  # no JSON, from a byte on
        case WrongModel():
            return HTTPStatus.FAILED_DEPENDENCY, "Backend"
        case InvalidInput() if not texts:
            return HTTPStatus.BAD_REQUEST, "Empty"
    match error.code:
        case HTTPStatus.BAD_REQUEST:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Validation"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return HTTPStatus.TOO_MANY_REQUESTS, "Overloaded"
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return HTTPStatus.FAILED_DEPENDENCY, "Backend"
        case HTTPStatus.GATEWAY_TIMEOUT:
            return error.code, "Backend"
        case _:
            return error.code, "Validation"
