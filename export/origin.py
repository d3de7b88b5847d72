"""Where an artifact's graphs come from, as the pipeline sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import onnx_ir as ir
from transformers import PreTrainedTokenizerBase

from engine.precisions import Precision

from .checkpoint.files import Checkpoint
from .heads.loaded import LoadedHead
from .recipe import Recipe
from .verification.reference import Feeds, Original
from .verification.verify import Limit


class Origin(Protocol):
    """A checkpoint's PyTorch network, or the ONNX graphs it was published with.

    `heads` are inside every graph; `warning` is a sentence for the user, if there is one; `built_with` names the
    packages that made the graphs.
    """

    precisions: list[Precision]
    heads: list[LoadedHead]
    warning: str | None
    built_with: list[str]

    def original(self, precision: Precision) -> Original:
        """What the graph of that precision is held against."""

    def limit(self, precision: Precision) -> Limit:
        """How far it may be from that."""

    def convert(self, precision: Precision, samples: Sequence[Feeds]) -> ir.Model:
        """The graph, with `graph.OUTPUTS`' output and `graph.AXES`. `samples` are what real texts feed it."""

    def plain(self, precision: Precision) -> ir.Model:
        """The same of a precision in floating point, as little fused as can be had, and without a past."""


OpenOrigin = Callable[[Checkpoint, Recipe, PreTrainedTokenizerBase], Origin]
"""Raises `ExportError`."""
