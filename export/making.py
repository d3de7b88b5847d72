"""Makes the graphs of one precision, verified; those in 8 bits that stray, with some of their weights in float32."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx_ir as ir

from engine.arrays import Feeds
from engine.artifact.artifact import Graph, Manifest, Verification
from engine.artifact.precisions import Precision
from engine.progress import Progress, Report

from .errors import VerificationError
from .exporter import Exporter
from .graph import interface, max_batch, multiple, save
from .mixed import Trial, mixed
from .precisions import PRECISIONS
from .stages import stage
from .verification.expected import Expected
from .verification.verify import seconds_of, verify

Check = Callable[[Graph, Report], Verification]
"""Raises `VerificationError`."""


@dataclass(frozen=True)
class Making:
    """Makes graphs in `folder`, for activations as large as those for `samples`, to be held against `wanted`.

    `seconds` are what a graph's verification may take; None: as long as it takes.
    """

    exporter: Exporter
    folder: Path
    progress: Progress
    samples: Sequence[Feeds]
    wanted: Expected
    seconds: float | None

    def text(self, precision: Precision) -> tuple[Graph, int]:
        """The text graph as it is saved, and how many weights it multiplies a token's states with."""
        with stage(self.progress, f"convert to {precision}") as report:
            model = self.exporter.convert(precision, self.samples, report=report)
            return self._save_text(model, precision), products(model)

    def verified(self, manifest: Manifest, graph: Graph) -> Graph:
        """The graph of a model that reads texts alone, with its verification. Raises `VerificationError`."""
        check = self.check(manifest)
        try:
            with stage(self.progress, f"verify {graph.precision}") as report:
                return msgspec.structs.replace(graph, verification=check(graph, report))
        except VerificationError as strays:
            if PRECISIONS[graph.precision].is_floating:
                raise
            return self.mixed_text(manifest, graph, strays)

    def check(self, manifest: Manifest, vision: Graph | None = None) -> Check:
        """Tries a text graph, with a vision graph where the model reads pictures."""

        def check(graph: Graph, report: Report) -> Verification:
            limit = self.exporter.limit(graph.precision)
            return verify(self.folder, manifest, graph, self.wanted, limit, None, vision, self.seconds, report)

        return check

    def mixed_text(
        self, manifest: Manifest, graph: Graph, strays: VerificationError, vision: Graph | None = None
    ) -> Graph:
        """A text graph in 8 bits that strays, with some of its weights in float32. Raises `VerificationError`."""
        precision = graph.precision

        def make(kept: Collection[str], report: Report) -> Graph:
            return self._save_text(self.exporter.convert(precision, self.samples, kept, report), precision)

        trial = Trial(
            name=str(precision),
            costs=lambda report: self.exporter.costs(precision, self.samples, report),
            make=make,
            check=self.check(manifest, vision),
            seconds=lambda graphs: seconds_of(self.folder, manifest, [(own, vision) for own in graphs], self.wanted),
        )
        return mixed(trial, graph, strays, self.folder, self.progress)

    def _save_text(self, model: ir.Model, precision: Precision) -> Graph:
        path = self.folder / f"model_{precision}.onnx"
        save(model, path)
        inputs, outputs = interface(model)
        return Graph(
            precision=precision,
            provider=PRECISIONS[precision].provider,
            file=path.name,
            inputs=inputs,
            outputs=outputs,
            max_batch=max_batch(model),
            multiple=multiple(model),
        )


def products(model: ir.Model) -> int:
    """How many weights a graph multiplies the states of a token or a patch with: what it costs, but for attention."""
    weights = (node.inputs[1] for node in model.graph if node.op_type in ("MatMul", "Gemm", "MatMulIntegerToFloat"))
    tensors = (ir.convenience.get_const_tensor(value) for value in weights if value is not None)
    return sum(tensor.size for tensor in tensors if tensor is not None and len(tensor.shape) == 2)
