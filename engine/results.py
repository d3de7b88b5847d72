"""Defines what the engine's calls return."""

from dataclasses import dataclass

import numpy as np

from .arrays import Floats


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document that was scored as a document of its own: `text`, its characters from `start` to `end`."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Chunks:
    """A document's chunks in order, one for a document that fits, and whether text after the last was not read.

    A document's text parts are one text here, on a line each. White space between chunks is in none. With late
    interaction the document's score may be more than the best chunk's, since each query token has its own maximum.
    """

    chunks: list[Chunk]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """`scores` is float32 `[pairs]`, in the order of the documents. `tokens` counts all of their tokens, special ones
    included; those of remembered texts and shared prefixes count as if they were computed. `chunks` are those of each
    document, where the call asked for them."""

    scores: Floats
    tokens: int
    chunks: list[Chunks] | None = None

    def chunks_of(self, index: int) -> Chunks | None:
        """Those of one document."""
        return None if self.chunks is None else self.chunks[index]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place in the request, its score, and its chunks where the call asked for them."""

    index: int
    score: float
    chunks: Chunks | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Documents by falling score; equal scores keep the order of the request. `tokens` as in `Scores`."""

    results: list[Ranked]
    tokens: int


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`embeddings` is float32 `[texts, dim]`; `tokens` counts each text's tokens, special ones included."""

    embeddings: Floats
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """`embeddings` holds a float32 `[tokens, dim]` a text: what MaxSim is computed from, so without a document's
    skipped tokens and with a query's expansion. `tokens` counts each text's tokens, special ones included."""

    embeddings: list[Floats]
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Classes:
    """`scores` is float32 `[texts]`; `tokens` counts each text's tokens, special ones included."""

    scores: Floats
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Box:
    """The part of a picture that a token stands for.

    `image` numbers the pictures of its content, from 0. The sides are in pixels of the picture as it was decoded,
    upright, and no whole numbers where the model reads it at another size. What the model made of that part depends on
    the rest of the picture, too, since its patches attend to each other.
    """

    image: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class TokenSimilarity:
    """`similarity` is float32 `[query tokens, document tokens]`, of the tokens that MaxSim sees, whose strings are
    given; the score is the sum of its rows' maxima. Boxes are where the tokens lie on pictures, None for those of text.
    `tokens` as in `Scores`."""

    query_tokens: list[str]
    document_tokens: list[str]
    similarity: Floats
    tokens: int
    query_boxes: list[Box | None]
    document_boxes: list[Box | None]

    @property
    def score(self) -> float:
        return float(self.similarity.max(axis=1).sum(dtype=np.float32))
