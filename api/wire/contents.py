"""Defines the shapes that queries, documents and inputs may have on the wire, and reads their content."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine import Content, Engine, Image, Text

from ..endpoint import Call
from ..errors import InvalidField, TextOnlyModel, UnreadPart

_READ = ("text", "image_url")
# What clients of vLLM's API send besides, and what to call it.
_UNREAD = {
    "image_embeds": "Image embedding",
    "audio_embeds": "Audio embedding",
    "video_embeds": "Video embedding",
    "video_url": "Video",
    "video": "Video",
    "audio_url": "Audio",
    "input_audio": "Audio",
}
_SCHEME = re.compile(r"[a-z]+:", re.IGNORECASE)


class ImageUrl(msgspec.Struct, omit_defaults=True):
    """A `data:` URL, or one that the server may fetch. `detail` changes nothing: the model says how images are read."""

    url: str
    detail: str | None = None


class Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One part of a content: `type` "text" carries `text`, "image_url" `image_url`. `uuid` changes nothing."""

    # In the order in which vLLM sends a part back.
    text: str | UnsetType = UNSET
    image_url: ImageUrl | UnsetType = UNSET
    type: Annotated[str, Meta(extra_json_schema={"enum": list(_READ)})]
    uuid: str | None = None

    def __post_init__(self) -> None:
        if self.type in _READ:
            if getattr(self, self.type) is UNSET:
                raise ValueError(f"must have {self.type}, being of type {self.type}")
        elif self.type not in _UNREAD:
            raise ValueError(f"must be of type {' or '.join(_READ)}, not {self.type[:40]!r}")


class Item(msgspec.Struct):
    """A content that is not a bare string: `{"text": …}`, `{"image": …}` or both, or `{"content": [parts]}`.

    `image` is a URL as a part's is, or an image in base64.
    """

    text: str | None = None
    image: str | None = None
    content: list[Part] | None = None

    def __post_init__(self) -> None:
        if (self.content is None) == (self.text is None and self.image is None):
            raise ValueError("must have text, image or both, or else content")

    @property
    def urls(self) -> list[str]:
        """Those of its images. Raises `UnreadPart` for other parts than text and images."""
        if self.image is not None:
            return [url_of(self.image)]
        parts = self.content or []
        for part in parts:
            if part.type in _UNREAD:
                raise UnreadPart(_UNREAD[part.type])
        return [part.image_url.url for part in parts if part.image_url is not UNSET and part.type == "image_url"]

    @property
    def own_text(self) -> str:
        """Its text, whose parts are on a line each, as vLLM joins them; "" where it has none."""
        if self.content is None:
            return self.text or ""
        return "\n".join(part.text for part in self.content if part.text is not UNSET and part.type == "text")


Items = str | Item | list[str | Item]
"""One query or document, or several."""

Tokens = list[int]
TextsOrTokens = str | list[str | int | Tokens]
"""One text or several, each as a string or as token ids."""

Inputs = str | Item | list[str | Item | int | Tokens]
"""One content or several, those without images as token ids, too."""

Own = TypeVar("Own", bound=str | Tokens)


def url_of(image: str) -> str:
    """The URL of an image that is given as one, or in base64."""
    return image if _SCHEME.match(image) else f"data:;base64,{image}"


def listed(items: Items) -> list[str | Item]:
    """Queries or documents as several; a lone one makes a list of one."""
    return items if isinstance(items, list) else [items]


def read(items: Sequence[Item | Own], engine: Engine, call: Call) -> list[Content | Own]:
    """What the engine reads for each item. Their images are read all at once, each once.

    Raises `TextOnlyModel` for images that the model does not read, `UnreadPart`, and as `RequestMedia.read_all`.
    """
    contents: list[Content | Own] = list(items)  # type: ignore[arg-type]
    if {*map(type, items)} == {str}:  # most requests' are, and many
        return contents
    found = {place: item for place, item in enumerate(items) if isinstance(item, Item)}
    urls = {place: item.urls for place, item in found.items()}
    images = iter(_images([url for own in urls.values() for url in own], engine, call))
    for place, item in found.items():
        own = [next(images) for _ in urls[place]]
        contents[place] = [*own, Text(item.own_text)] if own else item.own_text
    return contents


def images_of(contents: Iterable[Content]) -> list[Image]:
    """All images of contents that were read, in order."""
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [part for part in parts if isinstance(part, Image)]


def several(
    inputs: Inputs | TextsOrTokens, engine: Engine, call: Call, parameter: str = "input"
) -> list[Content | str | Tokens]:
    """What the engine reads for one input or several, the request's `parameter`, counted.

    Raises `InvalidField` where tokens and texts are mixed up, and as `read`.
    """
    if isinstance(inputs, str | Item):
        items: list[str | Item | Tokens] = [inputs]
    elif inputs and all(isinstance(token, int) for token in inputs):
        items = [cast(Tokens, inputs)]
    elif not any(isinstance(item, int) for item in inputs):
        items = cast("list[str | Item | Tokens]", inputs)
    else:
        raise InvalidField(
            f"{parameter} must be a string, a list of strings, a list of token ids, or a list of such lists.",
            f"body.{parameter}",
        )
    if call.limits.refuse_token_ids and any(isinstance(item, list) for item in items):
        raise InvalidField(
            f"{parameter} has token ids, which this server refuses: send texts. "
            "LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False.",
            f"body.{parameter}",
        )
    call.count(len(items), parameter)
    return read(items, engine, call)


def _images(urls: list[str], engine: Engine, call: Call) -> list[Image]:
    if urls and engine.manifest.pictures is None:
        raise TextOnlyModel(engine.manifest.architecture)
    return call.media.read_all(urls) if urls else []
