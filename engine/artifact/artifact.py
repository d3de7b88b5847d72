"""Defines the artifact: a folder with graphs, a tokenizer and a manifest that says what they are.

`export` writes it and `engine` reads it; nothing else passes between the two.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from ..images.reading import PictureReading
from ..score_types import SCORE_TYPES, ScoreType, ScoreTypeName
from ..vectors.similarity import Similarity
from .precisions import Precision

SCHEMA_VERSION = 4
READABLE_VERSIONS = (1, 2, 3, 4)
"""Version 1 had one text graph a precision and provider, and did not write down that padding is on the right; version 2
had no pictures; version 3 shortened all texts on the right."""

MANIFEST = "manifest.json"
INDEX_MANIFEST = "index.json"
"""An index's: a folder that has it is told from an artifact."""
TOKENIZER = "tokenizer.json"
SCORE_TEMPLATE = "score_template.jinja"
PAST, PRESENT = "past", "present"
KEY_LENGTHS, FIRST_KEY_LENGTHS = "key_lengths", "first_key_lengths"
IMAGE_EMBEDDINGS = "image_embeddings"
"""The output of a vision graph, and the input of the text graph that it is for."""

PICTURES, TEXT = "{pictures}", "{text}"
"""What stands for a content's pictures and its text in the prompt of a content with pictures."""

Role = Literal["query", "document"]
GraphRole = Literal["text", "vision"]
ProviderName = Literal["cpu", "cuda", "tensorrt"]
Activation = Literal["sigmoid", "identity"]
Prompts = Literal["authors", "vllm"]
"""Whose prompts a model is given, where those of its authors and vLLM's differ."""


_Number: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]
_Size: TypeAlias = Annotated[int, Meta(ge=1, lt=2**31)]
_Length: TypeAlias = Annotated[int, Meta(le=2**24)]
"""In tokens: far more than any model takes."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the manifest: immutable, and strict about names so that a typo cannot pass unseen."""


class Tensor(_Part, frozen=True):
    """A graph's input or output. A dimension is a number, or a name where it varies from run to run."""

    name: str
    type: str
    dims: list[int | str]


class Verification(_Part, frozen=True):
    """How far a graph is from its reference, over `texts` texts or pairs of mixed length.

    `why` says which of those that come with the exporter they are, where there was no time for all.

    `quantity` is what the graph returns ("logits", "embeddings", "token embeddings"); `max_abs_error` and
    `mean_abs_error` are over its elements. `spearman` and `score_max_abs_error` are over the scores made from it:
    activated logits, similarities, or MaxSim a query token.
    """

    reference: str
    texts: int
    quantity: str
    max_abs_error: float
    mean_abs_error: float
    score_max_abs_error: float
    spearman: float
    why: str | None = None


class Kept(_Part, frozen=True):
    """The weights of an 8-bit graph that are in float32, that which costs most in 8 bits first, since with all in 8
    bits it strayed too far.

    They go by PyTorch's names of their modules; `of` is how many could be in 8 bits. `size` and `seconds` are the
    graph's over those of the graph with all in 8 bits, run on some of the verification texts while it was exported.
    """

    weights: list[str]
    of: int
    size: float
    seconds: float


class Graph(_Part, frozen=True):
    """One ONNX file. `provider` is the execution provider it was fused for; those for TensorRT run there alone.

    `role` is what it reads: the tokens of texts, or the pixels of images. Outputs go by their names, which are those of
    `engine.score_types.Output`, and `present`. A vision graph gives `embeddings` float32 `[pictures, dim]`, or where a
    text graph reads them `image_embeddings` float32 `[levels, rows, dim]`: level 0 takes the place of placeholders'
    token embeddings, and level i is added to their states after layer i - 1 (Qwen3-VL's deepstack).

    `max_batch` bounds the sequences of one run: 1 where activations are quantised over the whole batch, so that a score
    cannot depend on its neighbours, and for TensorRT what its plan is built for. Sequences are padded on the right, to
    a length that is a multiple of `multiple`; past lengths must be such multiples, too. `verification` is None only
    while an export is going on.

    A causal graph may have an input `past`: the keys and values of tokens that every sequence of a run begins with,
    `[layers, 2, key heads, past_tokens, head size]`, where `past_tokens` may be 0. Its output `present` is the same of
    the first sequence, its own tokens included, to be the past of other runs.

    A graph for GPUs may have an input `key_lengths`, int32 `[3 * batch + 2]`, in three parts: `[batch]` tokens of each
    sequence that are attended to, `[batch + 1]` offsets of sequences among all queries, `[batch + 1]` offsets among all
    keys; the last offset is the end. With `first_key_lengths` there is one query a sequence, its first.
    """

    precision: Precision
    provider: ProviderName
    file: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    max_batch: _Size | None = None
    multiple: _Size = 1
    role: GraphRole = "text"
    verification: Verification | None = None
    kept: Kept | None = None

    def output(self, name: str) -> Tensor:
        """The output of that name. Raises `KeyError`."""
        return {tensor.name: tensor for tensor in self.outputs}[name]

    @property
    def past(self) -> Tensor | None:
        """The input for keys and values, if the graph has one."""
        return next((tensor for tensor in self.inputs if tensor.name == PAST), None)


class File(_Part, frozen=True):
    sha256: str
    size: int


class Source(_Part, frozen=True):
    """Where the weights came from: a folder's name or a hub id, its revision, and the sha256 of each weights file."""

    model: str
    revision: str | None
    weights: dict[str, str]


class PairLayout(_Part, frozen=True):
    """A cross-encoder's input: `prefix + query + middle + document + suffix`, as token ids.

    `type_ids` are the token type ids of those five parts. `end` comes after a score template's prompt, whatever that
    ends with.
    """

    prefix: list[int]
    middle: list[int]
    suffix: list[int]
    type_ids: tuple[_Number, _Number, _Number, _Number, _Number]
    end: list[int] = []


class TextLayout(_Part, frozen=True):
    """The input of an encoder that sees one text at a time: `prefix + text + suffix`, as token ids.

    `prompt` is put before the text itself; `instruction` is the part of it that a request's own replaces, if any.
    `adapter` is the graph's input of that name, where it has one. `max_length` cuts longer texts without asking, as
    ColBERT models do; it counts the prefix and suffix too. `expand_to` pads a query to that many tokens with
    `expansion_token`, whose embeddings are scored; they are attended to only if `attend_to_expansion`. Embeddings of
    `skip` tokens are not scored. An empty text is read as `empty`.

    A content with pictures is read as `pictured` instead, a text with all special tokens, in which `{pictures}` and
    `{text}` stand for what it has; its text comes after the `caption`, and a space. With a `blank` a text without
    pictures is read so, too: with a black one of that many pixels a side, and after its `prompt` instead.
    """

    prefix: list[int]
    suffix: list[int]
    prompt: str = ""
    instruction: str | None = None
    adapter: _Number | None = None
    max_length: _Length | None = None
    expand_to: _Size | None = None
    expansion_token: int | None = None
    attend_to_expansion: bool = False
    skip: list[int] = []
    empty: str = ""
    pictured: str | None = None
    caption: str = ""
    blank: _Size | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length <= len(self.prefix) + len(self.suffix):
            raise ValueError("the longest text leaves no room for any, beside the prefix and the suffix")
        if (self.expand_to is None) != (self.expansion_token is None):
            raise ValueError("expand_to and expansion_token go together")
        if self.blank is not None and self.pictured is None:
            raise ValueError("blank is a picture, and the layout has no prompt for one")
        if self.instruction is not None and self.instruction not in self.prompt:
            raise ValueError("the instruction is no part of the prompt")
        if self.pictured is not None and not all(slot in self.pictured for slot in (PICTURES, TEXT)):
            raise ValueError(f"the prompt of pictures lacks {PICTURES} or {TEXT}")


class Manifest(_Part, frozen=True):
    """What an artifact is, how it was made and how it was verified.

    Cross-encoders have `pair` and `activation`; the others have `query` and `document` layouts and `similarity`.
    `template` is the file of a cross-encoder's score template, and `instruction` what that is given when a request
    gives none. `matryoshka` lists the sizes embeddings may be cut to: empty means any, None means none. `pooling`,
    `projections` and `normalized` describe what is inside the graph already. `max_length` counts tokens, special ones
    included. `pictures` is None for a model that reads text alone. `padding` is the side that `pad_token` fills up:
    graphs read a sequence's tokens from its first. `truncation` is the side at which texts lose tokens where they are
    too long and a request does not say. `warnings` are sentences of the export on what scores may depend on and the
    graphs do without.
    """

    schema_version: int
    name: str
    created: Annotated[int, Meta(ge=0, lt=2**53)]
    score_type: ScoreTypeName
    architecture: str
    source: Source
    max_length: _Length
    pad_token: int
    special_tokens: dict[str, int]
    graphs: list[Graph]
    files: dict[str, File]
    built_with: dict[str, str]
    pair: PairLayout | None = None
    template: str | None = None
    instruction: str | None = None
    activation: Activation | None = None
    query: TextLayout | None = None
    document: TextLayout | None = None
    similarity: Similarity | None = None
    matryoshka: list[_Size] | None = None
    pooling: str | None = None
    projections: list[int] = []
    normalized: bool = False
    dimension: _Size | None = None
    pictures: PictureReading | None = None
    padding: Literal["right"] = "right"
    truncation: Literal["left", "right"] = "right"
    prompts: Prompts = "authors"
    warnings: list[str] = []

    @property
    def scoring(self) -> ScoreType:
        """What the model's score type can do."""
        return SCORE_TYPES[self.score_type]

    def files_of(self, graph: Graph) -> dict[str, File]:
        """A graph's own files: a large one's weights are in files of their own that begin with its name."""
        return {name: file for name, file in self.files.items() if name.startswith(graph.file)}
