"""Chooses what a graph is verified on: the shipped texts, and for models that read them pictures and both together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle

from engine.artifact.artifact import Manifest
from engine.content import Pictured, ReadContent
from engine.images.decode import decode
from engine.images.image import Image
from engine.images.naflex import NaFlex
from engine.images.reading import PictureReading

from .pictures import pictures
from .texts import paired, texts

_TOGETHER = "What the page before says of it"
"""The text that stands beside pictures."""


@dataclass(frozen=True)
class Contents:
    """Queries and documents, and which of them are scored together: texts as `texts` pairs them.

    A picture is in one pair as a document, and in four as a query: each costs the reference a run of the vision tower.
    """

    queries: Sequence[ReadContent]
    documents: Sequence[ReadContent]
    pairs: Sequence[tuple[ReadContent, ReadContent]]

    def of(self, pairs: Sequence[tuple[ReadContent, ReadContent]]) -> "Contents":
        """Some of the pairs, and what is in them."""
        queries, documents = {query for query, _ in pairs}, {document for _, document in pairs}
        return Contents(
            [query for query in self.queries if query in queries],
            [document for document in self.documents if document in documents],
            pairs,
        )


def contents(manifest: Manifest) -> Contents:
    """The texts, and for a model of pictures each of those as a document, some as queries, and some beside a text.

    A model that embeds pictures by themselves gets none beside a text.
    """
    queries: list[ReadContent] = [*texts().queries]
    documents: list[ReadContent] = [*texts().documents]
    pairs: list[tuple[ReadContent, ReadContent]] = [*paired(queries, documents)]
    if manifest.pictures is None:
        return Contents(queries, documents, pairs)
    images = [image for image in _files() if not _is_too_narrow(image, manifest.pictures)]
    documents += [Pictured((image,), "") for image in images]
    if manifest.pictures.placeholder is not None:
        documents += [Pictured((image,), _TOGETHER) for image in images[::4]]
        documents.append(Pictured(tuple(images[:2]), _TOGETHER))
    if manifest.pictures.on_queries:
        queries += [Pictured((image,), "") for image in images[1::5]]
    shown = documents[len(texts().documents) :]
    pairs += [(query, document) for query, document in zip(cycle(texts().queries), shown, strict=False)]
    for query in queries[len(texts().queries) :]:
        pairs += [(query, document) for document in (*documents[:2], *shown[:2])]
    return Contents(queries, documents, pairs)


def _is_too_narrow(image: Image, reading: PictureReading) -> bool:
    """Whether PyTorch computes it wrong: 2.13 resamples positions as rows for a picture one patch wide."""
    processor = reading.preprocessing
    return isinstance(processor, NaFlex) and processor.grid(image.height, image.width).columns == 1


def file_of(image: Image) -> bytes:
    """The file that one of the pictures was decoded from, for who decodes it otherwise."""
    return _files()[image]


def label(content: ReadContent) -> str:
    """A content in a few words."""
    if isinstance(content, str):
        return content
    return " ".join([*(f"[{image.width} x {image.height}]" for image in content.images), content.text])


@cache
def _files() -> dict[Image, bytes]:
    return {decode(sample.data): sample.data for sample in pictures()}
