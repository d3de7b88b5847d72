"""Defines content, what a query or a document may be for the engine, and reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, Union

from .errors import InvalidInput
from .images.decode import decode, from_pillow
from .images.files import decode_file
from .images.image import Image

if TYPE_CHECKING:  # Pillow is imported by those who decode: text needs none
    import PIL.Image


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a content that is text. Raises `InvalidInput` for what is no string."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InvalidInput(f"The text of a Text must be a string, not {type(self.text).__name__}: convert it.")


Picture: TypeAlias = Union[Image, bytes, Path, "PIL.Image.Image"]
"""A picture: decoded, the bytes of its file, the path of one, or Pillow's. A string is never taken for a path."""

Part: TypeAlias = Text | Picture
"""A part of a content."""

Content: TypeAlias = str | Picture | Sequence[Part]
"""A query or a document: a text, a picture, or parts in order, at least one."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """A content with pictures, as models read it: pictures first, then its text, as vLLM orders them.

    The authors of these models train and call them so, too. `text` may be empty.
    """

    images: tuple[Image, ...]
    text: str


_LISTING = ("tolist", "to_list", "to_pylist")

ReadContent: TypeAlias = str | Pictured
"""A content whose pictures are decoded; the text of one that has none."""


def read_content(content: Content) -> ReadContent:
    """Decode the pictures of a content, and join its text parts, on a line each, as vLLM joins them.

    A picture of Pillow's is taken as it stands; a file's is turned upright (`images.decode`). Raises `InvalidInput`
    for a picture that cannot be read.
    """
    if isinstance(content, str):
        return content
    parts: Sequence[Part] = [content] if _is_picture(content) else content  # type: ignore[assignment]
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    images = tuple(_image(part) for part in parts if not isinstance(part, Text))
    return Pictured(images, text) if images else text


def read_contents(contents: object, name: str) -> list[ReadContent]:
    """Read one content or several. Raises `InvalidInput`, which calls them `name`, for what is no content."""
    several = [contents] if is_content(contents) else texts_of_column(contents)
    if not isinstance(several, Sequence) or not all(map(is_one_of_several, several)):
        raise InvalidInput(
            f"{name} must be a text, a list of parts such as [Text(...)], a picture, or a list of those."
        )
    return [read_content(content) for content in several]


def texts_of_column(value: object) -> object:
    """The texts of an array or a column of a table (NumPy, pandas, Polars, Arrow) as a list; anything else as it is."""
    if isinstance(value, Sequence):
        return value
    listing = next((getattr(value, name) for name in _LISTING if callable(getattr(value, name, None))), None)
    texts = listing() if listing is not None else None
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else value


def read_one(content: object, name: str) -> ReadContent:
    """Read one content. Raises `InvalidInput`, which calls it `name`, for what is none."""
    if not is_one_of_several(content):
        raise InvalidInput(f"{name} must be one text, a list of parts such as [Text(...)], or a picture.")
    return read_content(content)


def own_text(content: ReadContent) -> str:
    """The text of a content that was read."""
    return content if isinstance(content, str) else content.text


def text_of(content: Content) -> str:
    """The text of a content without its pictures."""
    if isinstance(content, str) or not isinstance(content, Sequence) or isinstance(content, bytes):
        return content if isinstance(content, str) else ""
    return "\n".join(part.text for part in content if isinstance(part, Text))


def is_content(value: object) -> TypeGuard[Content]:
    """Whether a value is one content, and not several.

    A list of pictures alone is as many contents: those of one document are in a list of their own.
    """
    if isinstance(value, str) or _is_picture(value):
        return True
    return _is_parts(value) and any(isinstance(part, Text) for part in value)


def is_one_of_several(value: object) -> TypeGuard[Content]:
    """Whether a value is one content where it stands among others, so that a list of pictures is one of them."""
    return is_content(value) or _is_parts(value)


def _is_parts(value: object) -> TypeGuard[Sequence[Part]]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        return False
    return len(value) > 0 and all(isinstance(part, Text) or _is_picture(part) for part in value)


def _is_picture(value: object) -> TypeGuard[Picture]:
    # Pillow's class is told by its name, so that text needs no Pillow.
    return isinstance(value, Image | bytes | Path) or any(
        kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__
    )


def _image(picture: Picture) -> Image:
    match picture:
        case Image():
            return picture
        case bytes():
            return decode(picture)
        case Path():
            return decode_file(picture)
        case _:
            return from_pillow(picture)
