"""Answers `/v1/multimodalembeddings` with a bi-encoder's embeddings of texts, images or both together (Voyage)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine import BI_ENCODER, Content, Engine, text_of

from ...endpoint import Call, Endpoint
from ...errors import UnreadPart
from ...wire import contents as wire
from ...wire.contents import ImageUrl, Item, images_of, read, url_of
from .embeddings import WORDS, Embedding, Options, written

_READ = ("text", "image_url", "image_base64")


class Part(msgspec.Struct):
    """A text, an image's URL, or an image in base64 or as a data URL: what `type` names, under that name."""

    type: Annotated[str, Meta(extra_json_schema={"enum": list(_READ)})]
    text: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET
    image_base64: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.type in _READ:
            if getattr(self, self.type) is UNSET:
                raise ValueError(f"must have {self.type}, being of type {self.type}")
        elif not self.type.startswith("video"):
            raise ValueError(f"must be of type {', '.join(_READ[:-1])} or {_READ[-1]}, not {self.type[:40]!r}")

    @property
    def shared(self) -> wire.Part:
        """As other dialects have it. Raises `UnreadPart` for a video."""
        if self.type not in _READ:
            raise UnreadPart("Video")
        if self.type == "text":
            return wire.Part(type="text", text=self.text)
        image: str = getattr(self, self.type)
        return wire.Part(type="image_url", image_url=ImageUrl(image if self.type == "image_url" else url_of(image)))


class Input(msgspec.Struct):
    content: Annotated[list[Part], Meta(min_length=1)]


class MultimodalRequest(Options, kw_only=True):
    """`output_encoding` is another name for `encoding_format`."""

    inputs: list[Input]
    output_encoding: Literal["base64"] | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`total_tokens` counts all that the model reads: texts, images and the prompts around them."""

    text_tokens: int
    image_pixels: int
    # Voyage's own client reads it; videos are refused.
    video_pixels: int = 0
    total_tokens: int

    @classmethod
    def of(cls, contents: Sequence[Content], tokens: Sequence[int], engine: Engine) -> Self:
        """Of contents, and how many tokens the model read for each."""
        return cls(
            text_tokens=sum(
                own if isinstance(content, str) else engine.count_tokens(text_of(content), own)
                for content, own in zip(contents, tokens, strict=True)
            ),
            image_pixels=sum(image.width * image.height for image in images_of(contents)),
            total_tokens=sum(tokens),
        )


class MultimodalResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Embeddings in the order of the inputs."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: Usage


def embed(request: MultimodalRequest, call: Call) -> MultimodalResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, BI_ENCODER)
    call.count(len(request.inputs), "inputs")
    items = [Item(content=[part.shared for part in own.content]) for own in request.inputs]
    inputs: list[Content] = read(items, engine, call)
    embedded = engine.embed(
        inputs,
        role=request.input_type,
        dimensions=request.output_dimension,
        truncate_prompt_tokens=-1 if request.truncation else None,
        job=call.job,
    )
    encoding = request.output_encoding or request.encoding_format
    return MultimodalResponse(
        data=written(embedded.embeddings, request.output_dtype, encoding),
        model=model,
        usage=Usage.of(inputs, embedded.tokens, engine),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/v1/multimodalembeddings",),
        dialect="Voyage",
        summary="Embed texts, images or both together with a bi-encoder",
        request=MultimodalRequest,
        example={"inputs": [{"content": [{"type": "text", "text": "Paris is in France."}]}]},
        response=MultimodalResponse,
        answer=embed,
        words=WORDS,
    ),
)
