"""Adds the vision graph beside a text graph, and verifies both together."""

from pathlib import Path

import msgspec
import onnx_ir as ir

from engine.artifact import Graph, Manifest
from engine.precisions import Precision
from engine.progress import Progress

from .errors import VerificationError
from .exporter import Exporter
from .graph import interface, max_batch, save
from .precisions import PRECISIONS
from .verification.verify import Expected, verify

_FLOAT: Precision = "fp32"


def products(model: ir.Model) -> int:
    """How many weights a graph multiplies the states of a token or a patch with: what it costs, but for attention."""
    weights = (node.inputs[1] for node in model.graph if node.op_type in ("MatMul", "Gemm", "MatMulIntegerToFloat"))
    tensors = (ir.convenience.get_const_tensor(value) for value in weights if value is not None)
    return sum(tensor.size for tensor in tensors if tensor is not None and len(tensor.shape) == 2)


class Seeing:
    """Makes the vision graphs of one artifact, in `folder`."""

    def __init__(self, exporter: Exporter, folder: Path, progress: Progress, wanted: Expected) -> None:
        self._exporter = exporter
        self._folder = folder
        self._progress = progress
        self._wanted = wanted

    def add(self, manifest: Manifest, text: Graph, text_products: int, patches: int) -> tuple[Manifest, list[Graph]]:
        """The manifest with what pictures cost, and the text graph with its vision graph, where that is a new one.

        A vision graph of 8 bits gives way to one of float32 where it strays too far: a picture goes through it once,
        and whatever it loses every query loses. Raises `VerificationError`.
        """
        assert manifest.pictures is not None, "others have no vision graph"
        with self._progress.stage(f"convert the vision tower to {text.precision}"):
            vision, cost = self._convert(manifest, text.precision)
        if not manifest.graphs:
            pictures = msgspec.structs.replace(manifest.pictures, piece_cost=patches * cost / max(1, text_products))
            manifest = msgspec.structs.replace(manifest, pictures=pictures)
        try:
            return manifest, self._verified(manifest, text, vision)
        except VerificationError:
            if PRECISIONS[text.precision].is_floating:
                raise
        self._progress.say("  the vision tower stays in float32, since 8 bits are too few for it")
        (self._folder / vision.file).unlink()
        there = next((graph for graph in manifest.graphs if graph.role == "vision" and graph.precision == _FLOAT), None)
        if there is not None:
            return manifest, self._verified(manifest, text, there)[:1]
        with self._progress.stage(f"convert the vision tower to {_FLOAT}"):
            vision, _ = self._convert(manifest, _FLOAT)
        return manifest, self._verified(manifest, text, vision)

    def _convert(self, manifest: Manifest, precision: Precision) -> tuple[Graph, int]:
        assert manifest.pictures is not None
        model = self._exporter.convert_vision(precision, manifest.pictures)
        path = self._folder / f"vision_{precision}.onnx"
        save(model, path)
        inputs, outputs = interface(model)
        graph = Graph(
            precision=precision,
            provider=PRECISIONS[precision].provider,
            file=path.name,
            inputs=inputs,
            outputs=outputs,
            # Patches of pictures of any size attend to all of a run.
            max_batch=1 if manifest.pictures.sides.merge else max_batch(model),
            role="vision",
        )
        return graph, products(model)

    def _verified(self, manifest: Manifest, text: Graph, vision: Graph) -> list[Graph]:
        with self._progress.stage(f"verify {text.precision}, with pictures"):
            limit = self._exporter.limit(text.precision)
            found = verify(self._folder, manifest, text, self._wanted, limit, vision=vision)
        return [msgspec.structs.replace(graph, verification=found) for graph in (text, vision)]
