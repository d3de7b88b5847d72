"""Defines the shapes that queries, documents and texts may have on the wire, and reads their content."""

from typing import cast

import msgspec

from engine import Content, Text

from ..endpoint import Call
from ..errors import InvalidRequest, TextOnlyModel
from ..media.reading import RequestMedia


class ImageUrl(msgspec.Struct):
    """Where an image is."""

    url: str


class Part(msgspec.Struct):
    """One part of a content: `type` "text" carries `text`; others (an image, say) only multimodal models read."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None

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


Items = str | Item | list[str | Item]
"""One query or document, or several."""


def contents(items: Items, architecture: str, media: RequestMedia | None = None) -> list[Content]:
    """The content of each query or document; a lone one makes a list of one. Raises as `content`."""
    several = items if isinstance(items, list) else [items]
    return [content(item, architecture, media) for item in several]


def content(item: str | Item, architecture: str, media: RequestMedia | None = None) -> Content:
    """The content of one query or document.

    Raises `TextOnlyModel`, which names `architecture`, for a part that is not text.
    """
    if isinstance(item, str):
        return item
    if item.content is None:
        return item.text or ""
    if media is None and any(part.type != "text" for part in item.content):
        raise TextOnlyModel(architecture)
    urls = [part.image_url.url for part in item.content if part.image_url is not None]
    images = media.read_all(urls) if media is not None and urls else []
    return [*images, *(Text(part.text) for part in item.content if part.text is not None)]


Tokens = list[int]
TextsOrTokens = str | list[str | int | Tokens]
"""One text or several, each as a string or as token ids."""


def several(inputs: TextsOrTokens, call: Call, parameter: str = "input") -> list[str | Tokens]:
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
