"""Describes a checkpoint apart from its weights: its score type, and what is done before and after its body."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.artifact.artifact import Activation
from engine.images.reading import Sides
from engine.score_types import SCORE_TYPES, ScoreType, ScoreTypeName
from engine.vectors.similarity import Similarity


@dataclass(frozen=True)
class Head:
    """A module after the body: its kind, which `heads` computes, and its configuration.

    `weights` is the folder or file that holds its weights; `tensors` gives their names there by the names the module
    has for them, where the two differ.
    """

    kind: str
    config: dict[str, Any]
    weights: Path
    tensors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Marking:
    """Lays out one side of a checkpoint that embeds queries and documents one by one.

    A ColBERT checkpoint's has a marker token after the first special one, and a length.

    `expand` pads to `length` with the mask token, attended to only if `attend`. Embeddings of the tokens `skip`, and of
    the first token of each text of `skip_texts`, are not scored. The unknown token is one of them where the vocabulary
    lacks a word of `skip`, unless `skip_known`. The defaults are plain tokens.

    `tail` comes after each text, in tokens that its own do not merge with. `fill` is the length that padding tokens
    fill up and that are attended to, in models trained so. `empty`, `pictured`, `caption` and `blank` are those of
    `engine.artifact.artifact.TextLayout`.
    """

    marker: str = ""
    length: int | None = None
    expand: bool = False
    attend: bool = False
    skip: tuple[str, ...] = ()
    skip_texts: tuple[str, ...] = ()
    skip_known: bool = False
    tail: str = ""
    fill: int | None = None
    empty: str = ""
    pictured: str | None = None
    caption: str = ""
    blank: int | None = None


@dataclass(frozen=True)
class PictureRecipe:
    """How a checkpoint reads pictures, besides what its image processor makes of them.

    A prompt has `placeholder` in place of a picture, which becomes tokens among which `token` is once: it is repeated
    `rows` times for each piece of the picture. Without one pictures are embedded by themselves. A piece is `patches`
    patches for the vision tower. `marked` tiles stand between tokens that name their rows and columns. Without
    `on_queries` the score template has a place for pictures in documents alone. `pixels` are the fewest and the most
    that the authors' code gives a picture, whatever the image processor's file says; None leaves the fewest to that.
    `most_pixels` is the most where that allows more. Without `split` a picture becomes one tile, whatever the file
    says.
    """

    placeholder: str = ""
    token: str = ""
    rows: int = 1
    patches: int = 1
    marked: bool = False
    split: bool = True
    in_two_dimensions: bool = False
    on_queries: bool = True
    pixels: tuple[int | None, int] | None = None
    most_pixels: int | None = None
    sides: Sides = field(default_factory=Sides)


@dataclass(frozen=True)
class Recipe:
    """Everything about a checkpoint that its graph and manifest depend on, besides its weights.

    A cross-encoder without heads has transformers' own classifier. `activation` is a cross-encoder's, and so are
    `template`, the text of its score template, `instruction`, what that is given when a request gives none, and
    `surrounded`, whether the tokenizer's special tokens go around the prompt. `similarity` and the prompts are a
    bi-encoder's, and `matryoshka`: the sizes its embeddings may be cut to (empty: any, None: none). The markings are a
    late-interaction model's. `lower_case` says that texts are lower-cased before they are tokenised. `adapters` gives
    the adapter of each side, "query" and "document", of a checkpoint that has some: the graph's input `adapter`.
    `pictures` is None for a model that reads text alone; `end` are tokens that come after a pair's prompt.
    `warnings` are sentences for whoever exports it. `positive` is the relevant one of a classifier's two labels, whose
    difference is the logit, so that a sigmoid makes of it what a softmax makes of the two. `by_class` says that nothing
    but the name of its class tells how it scores, which a classifier among the weights then contradicts.
    """

    score_type: ScoreTypeName
    architecture: str
    max_length: int | None = None
    heads: list[Head] = field(default_factory=list)
    activation: Activation | None = None
    template: str | None = None
    instruction: str | None = None
    surrounded: bool = True
    similarity: Similarity | None = None
    lower_case: bool = False
    query_prompt: str = ""
    document_prompt: str = ""
    matryoshka: list[int] | None = None
    query: Marking = Marking()
    document: Marking = Marking()
    adapters: dict[str, int] = field(default_factory=dict)
    pictures: PictureRecipe | None = None
    end: tuple[int, ...] = ()
    warnings: list[str] = field(default_factory=list)
    positive: int | None = None
    by_class: bool = False

    @property
    def scoring(self) -> ScoreType:
        """What the score type can do."""
        return SCORE_TYPES[self.score_type]

    @property
    def own_classifier(self) -> bool:
        """Whether transformers' class for the checkpoint ends in the classifier, so that nothing follows it."""
        return self.scoring.reads_pairs and not self.heads
