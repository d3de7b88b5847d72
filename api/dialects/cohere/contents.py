"""Defines the shapes that inputs of Cohere's embeddings have, and what the answer says of their images."""

from typing import Self

import msgspec

from engine import Image

from ...wire.contents import ImageUrl, Item, Part


class InputPart(Part, kw_only=True, omit_defaults=True):
    """A part of an input, whose `image_url` may be the URL itself, as Amazon Bedrock has it."""

    image_url: ImageUrl | str | msgspec.UnsetType = msgspec.UNSET  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if isinstance(self.image_url, str):
            self.image_url = ImageUrl(self.image_url)
        super().__post_init__()


class Input(Item):
    content: list[InputPart] | None = None  # type: ignore[assignment]


class ImageInfo(msgspec.Struct, frozen=True):
    """An image as it was sent: its sides in pixels, turned upright, its file's format, and the bits of a pixel there.

    https://docs.cohere.com/reference/embed
    """

    width: int
    height: int
    format: str
    bit_depth: int

    @classmethod
    def of(cls, image: Image) -> Self:
        return cls(image.width, image.height, (image.format or "").lower(), image.bit_depth)
