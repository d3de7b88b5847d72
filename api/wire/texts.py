"""The shapes that a query or document may have on the wire, and the plain text in them."""

from typing import cast

import msgspec

from ..endpoint import Call
from ..errors import InvalidRequest, TextOnlyModel


class Part(msgspec.Struct):
    """One part of a content: `type` "text" carries `text`; others (an image, say) only multimodal models read."""

    type: str
    text: str | None = None

    def __post_init__(self) -> None:
        if self.type == "text" and self.text is None:
            raise ValueError("must have text, being of type text")


class Item(msgspec.Struct):
    """A query or document that is not a bare string: `{"text": …}`, or `{"content": [parts]}`."""

    text: str | None = None
    content: list[Part] | None = None

    def __post_init__(self) -> None:
        if self.text is None and not self.content:
            raise ValueError("must have text or content")


Texts = str | Item | list[str | Item]


def plain_texts(texts: Texts, architecture: str) -> list[str]:
    """A string for each query or document; a lone one makes a list of one. Raises as `plain_text`."""
    items = texts if isinstance(texts, list) else [texts]
    return [plain_text(item, architecture) for item in items]


def plain_text(item: str | Item, architecture: str) -> str:
    """The text of one query or document, its text parts on a line each.

    Raises `TextOnlyModel`, which names `architecture`, for any other part.
    """
    if isinstance(item, str):
        return item
    if item.content is None:
        return item.text or ""
    if any(part.type != "text" for part in item.content):
        raise TextOnlyModel(architecture)
    return "\n".join(part.text or "" for part in item.content)


Tokens = list[int]
Inputs = str | list[str | int | Tokens]
"""One text or several, each as a string or as token ids."""


def several(inputs: Inputs, call: Call, parameter: str = "input") -> list[str | Tokens]:
    """One text or several, the request's `parameter`, as several, counted.

    Raises `InvalidRequest` where tokens and texts are mixed up.
    """
    if isinstance(inputs, str):
        texts: list[str | Tokens] = [inputs]
    elif inputs and all(isinstance(token, int) for token in inputs):
        texts = [cast(Tokens, inputs)]
    elif not any(isinstance(text, int) for text in inputs):
        texts = cast("list[str | Tokens]", inputs)
    else:
        raise InvalidRequest(
            f"{parameter} must be a string, a list of strings, a list of token ids, or a list of such lists.",
            f"body.{parameter}",
        )
    call.count(len(texts), parameter)
    return texts
