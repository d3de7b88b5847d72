"""Names what the pipeline asks of an exporter, which makes an artifact's graphs or finds them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

import onnx_ir as ir
from transformers import PreTrainedTokenizerBase

from engine.arrays import Feeds
from engine.artifact.precisions import Precision
from engine.images.preprocessing import Preprocessing
from engine.images.reading import PictureReading
from engine.progress import Report, unheard

from .checkpoint.files import Checkpoint
from .heads.loaded import LoadedHead
from .precisions import Limit
from .recipe import Recipe
from .verification.reference import ReferenceModel, Scorer

Costs: TypeAlias = Mapping[str, str]
"""The names of weights in a graph, in order, each with what people call it."""


class Exporter(Protocol):
    """Traces a checkpoint's PyTorch network, or imports the ONNX graphs it was published with.

    `heads` are inside every graph; `warning` is a sentence for the user, if there is one; `built_with` names the
    packages that made the graphs. `preprocessing` is None for models that read texts alone.
    """

    precisions: list[Precision]
    heads: list[LoadedHead]
    warning: str | None
    built_with: list[str]
    preprocessing: Preprocessing | None

    def reference_model(self, precision: Precision) -> ReferenceModel:
        """The model that the graph of that precision is held against."""

    def reference(self, model: ReferenceModel, max_length: int) -> Scorer:
        """What runs that model on contents, of up to `max_length` tokens."""

    def limit(self, precision: Precision) -> Limit:
        """The largest difference from that model that the graph may have."""

    def convert(
        self,
        precision: Precision,
        samples: Sequence[Feeds],
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        """The graph, with the score type's output and the inputs of `FEEDS`. `samples` are what real texts feed it.

        Of one in 8 bits, weights of the names that are `kept` stay in float32.
        """

    def convert_vision(
        self,
        precision: Precision,
        reading: PictureReading,
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        """The vision graph of a model that reads pictures, with `embeddings` or `image_embeddings`."""

    def costs(self, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
        """What may be kept of the graph in 8 bits, that which costs most in them first; nothing of one as published."""

    def vision_costs(self, precision: Precision, reading: PictureReading, report: Report) -> Costs:
        """The same of the vision graph."""

    def plain(self, precision: Precision) -> ir.Model:
        """The graph of a precision in floating point, as little fused as this exporter can, and without a past."""


OpenExporter = Callable[[Checkpoint, Recipe, PreTrainedTokenizerBase], Exporter]
"""Raises `ExportError`."""
