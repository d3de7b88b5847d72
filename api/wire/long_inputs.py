"""Tells a client that an input is too long, in the words of the API that it speaks."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from engine import InputTooLong

from ..endpoint import Call
from ..errors import InvalidRequest

R = TypeVar("R")
A = TypeVar("A")


def advise(remedy: str, parameter: str = "truncate") -> Callable[[Callable[[R, Call], A]], Callable[[R, Call], A]]:
    """Decorates an answering function, so that its error names `remedy`, such as "set truncate to true"."""

    def decorate(answer: Callable[[R, Call], A]) -> Callable[[R, Call], A]:
        @wraps(answer)
        def advised(request: R, call: Call) -> A:
            try:
                return answer(request, call)
            except InputTooLong as error:
                raise InvalidRequest(
                    f"An input has {error.size}, more than this model takes: shorten it, or {remedy}.",
                    f"body.{parameter}",
                ) from None

        return advised

    return decorate
