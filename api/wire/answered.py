"""Has a body answered: read as its type, and with complaints in its own words."""

from collections.abc import Callable
from typing import Any

from engine import InvalidInput

from ..endpoint import Call
from ..words import Words
from .decoding import decode
from .long_documents import refuse_elsewhere


def answered(body: bytes, kind: Any, answer: Callable[[Any, Call], Any], words: Words, call: Call) -> Any:
    """What `answer` says to a body of that type. Of one that is no struct, as a `msgspec.Raw`, it says itself what that
    is, and comes here again.

    Raises as `decode`, `refuse_elsewhere` and `answer`.
    """
    request = decode(body, kind)
    if not hasattr(kind, "__struct_fields__"):
        return answer(request, call)
    refuse_elsewhere(body, kind)
    try:
        return answer(request, call)
    except InvalidInput as error:
        raise words.said(error, request) from None
