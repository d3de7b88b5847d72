"""Adds the vision graph beside a text graph, and verifies both together."""

from collections.abc import Collection

import msgspec

from engine.artifact.artifact import Graph, Manifest, Verification
from engine.artifact.precisions import Precision
from engine.progress import Report

from .errors import VerificationError
from .graph import interface, max_batch, save
from .making import Making, products
from .mixed import Trial, mixed
from .precisions import PRECISIONS
from .stages import stage
from .verification.verify import seconds_of

_FLOAT: Precision = "fp32"


class Seeing:
    """Makes the vision graphs of one artifact."""

    def __init__(self, making: Making) -> None:
        self._making = making

    def add(self, manifest: Manifest, text: Graph, text_products: int, patches: int) -> tuple[Manifest, list[Graph]]:
        """The manifest with what pictures cost, and the text graph with its vision graph, where that is a new one.

        Where both together stray in 8 bits, the text graph is first held against its limit beside a vision graph of
        float32, with as many weights in float32 as it needs; then the vision graph is, beside that. One that needs all
        of them gives way to float32: a picture goes through it once, and whatever it loses every query loses.
        Raises `VerificationError`.
        """
        assert manifest.pictures is not None, "others have no vision graph"
        vision, cost = self._convert(manifest, text.precision)
        if not manifest.graphs:
            pictures = msgspec.structs.replace(manifest.pictures, piece_cost=patches * cost / max(1, text_products))
            manifest = msgspec.structs.replace(manifest, pictures=pictures)
        try:
            return manifest, self._verified(manifest, text, vision)
        except VerificationError as error:
            if PRECISIONS[text.precision].is_floating:
                raise
            strays = error
        there = next((graph for graph in manifest.graphs if graph.role == "vision" and graph.precision == _FLOAT), None)
        floating = there or self._convert(manifest, _FLOAT)[0]
        text, beside = self._text_beside(manifest, text, floating)
        try:
            graphs = self._mixed(manifest, text, vision, strays)
        except VerificationError:
            self._making.progress.say("  the vision tower stays in float32, since 8 bits are too few for it")
            (self._making.folder / vision.file).unlink(missing_ok=True)
            return manifest, beside[:1] if there else beside
        if not there:
            (self._making.folder / floating.file).unlink()
        return manifest, graphs

    def _text_beside(self, manifest: Manifest, text: Graph, floating: Graph) -> tuple[Graph, list[Graph]]:
        """A text graph in 8 bits that holds its limit beside a vision graph of float32, and both verified."""
        try:
            return text, self._verified(manifest, text, floating)
        except VerificationError as strays:
            text = self._making.mixed_text(manifest, text, strays, floating)
            return text, [text, msgspec.structs.replace(floating, verification=text.verification)]

    def _mixed(self, manifest: Manifest, text: Graph, vision: Graph, strays: VerificationError) -> list[Graph]:
        """Both graphs, with some of the vision graph's weights in float32, or none where the text graph's do."""
        making, precision = self._making, vision.precision
        assert manifest.pictures is not None
        reading = manifest.pictures
        if text.kept is not None:
            try:
                return self._verified(manifest, text, vision)
            except VerificationError as error:
                strays = error

        def make(kept: Collection[str], report: Report) -> Graph:
            model = making.exporter.convert_vision(precision, reading, kept, report)
            save(model, making.folder / vision.file)
            return vision

        def check(vision: Graph, report: Report) -> Verification:
            return making.check(manifest, vision)(text, report)

        trial = Trial(
            name=f"the vision tower in {precision}",
            costs=lambda report: making.exporter.vision_costs(precision, reading, report),
            make=make,
            check=check,
            seconds=lambda graphs: seconds_of(making.folder, manifest, [(text, own) for own in graphs], making.wanted),
        )
        vision = mixed(trial, vision, strays, making.folder, making.progress)
        return [msgspec.structs.replace(text, verification=vision.verification), vision]

    def _convert(self, manifest: Manifest, precision: Precision) -> tuple[Graph, int]:
        assert manifest.pictures is not None
        with stage(self._making.progress, f"convert the vision tower to {precision}") as report:
            model = self._making.exporter.convert_vision(precision, manifest.pictures, report=report)
            path = self._making.folder / f"vision_{precision}.onnx"
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
        with stage(self._making.progress, f"verify {text.precision}, with pictures") as report:
            found = self._making.check(manifest, vision)(text, report)
        return [msgspec.structs.replace(graph, verification=found) for graph in (text, vision)]
