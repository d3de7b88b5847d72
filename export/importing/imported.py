"""Imports graphs that exist already, and appends those of a recipe's heads that they lack.

They are left as they are besides: the rewrites and quantisers of this package are for graphs it has traced itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
from transformers import PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.artifact.precisions import Precision
from engine.images.preprocessing import Preprocessing
from engine.images.reading import PictureReading
from engine.progress import Report, unheard
from engine.runtime.feeds import BATCH, TOKENS

from ..checkpoint.files import Checkpoint
from ..errors import ExportError
from ..exporter import Costs
from ..graph import max_batch, name_axes
from ..heads.in_numpy import apply
from ..heads.in_onnx import append_heads
from ..heads.loaded import load_heads, normalized, pooling, projections
from ..precisions import PRECISIONS, Limit
from ..recipe import Recipe
from ..rewrites.nodes import NodeList
from ..verification.reference import Reference, ReferenceModel
from ..verification.texts import texts
from .contents import Contents, find_contents
from .published_graph import POSITIONS, PublishedGraph


@dataclass(frozen=True)
class _Imported:
    path: Path
    contents: Contents
    model: ReferenceModel
    shape: ir.Shape


class ImportedGraphs:
    """An `Exporter`: each graph is held against itself as it was published, with its heads in numpy."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        tokenizer: PreTrainedTokenizerBase,
        files: dict[Precision, Path],
        built_with: list[str],
    ) -> None:
        """Open the graphs. Raises `ExportError` for one whose inputs, outputs or heads ScoreRT cannot use."""
        self.preprocessing: Preprocessing | None = None
        if recipe.pictures is not None:
            raise ExportError(
                "Graphs of models that read pictures cannot be imported: export the checkpoint from its weights."
            )
        self.precisions = list(files)
        self.warning: str | None = None
        self.built_with = ["transformers", "onnx-ir", "onnxruntime", "tokenizers", *built_with]
        self._scoring = recipe.scoring
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._graphs = {
            precision: _open(path, precision, checkpoint, recipe, tokenizer) for precision, path in files.items()
        }
        first, *others = self._graphs.values()
        self.heads = [*first.contents.inside, *first.contents.after]
        for other in others:
            if _described(other.contents) != _described(first.contents):
                raise ExportError(
                    f"{first.path} and {other.path} do not pool alike, so they are not one model: import them apart."
                )

    def reference_model(self, precision: Precision) -> ReferenceModel:
        return self._graphs[precision].model

    def reference(self, model: ReferenceModel, max_length: int) -> Reference:
        return Reference(model, self._tokenizer, self._recipe, max_length)

    def limit(self, precision: Precision) -> Limit:
        # Whatever 8 bits have cost is in the published graph already.
        return PRECISIONS[precision if PRECISIONS[precision].is_floating else "fp32"].limit

    def convert(
        self,
        precision: Precision,
        samples: Sequence[Feeds],
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        imported = self._graphs[precision]
        model = ir.load(imported.path)
        ir.external_data.load_to_model(model)
        _declare_inputs(model.graph)
        states = next(output for output in model.graph.outputs if output.name == imported.contents.output)
        # Exporters declare outputs with whatever they know of their shapes.
        states.shape = imported.shape.copy()
        model.graph.outputs.clear()
        model.graph.outputs.append(states)
        append_heads(model.graph, imported.contents.after, states, self._scoring)
        _make_positions(model.graph)
        name_axes(model)
        return model

    def convert_vision(
        self,
        precision: Precision,
        reading: PictureReading,
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        raise AssertionError("its recipe has no pictures")

    def costs(self, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
        # Whoever published the graph chose what is in 8 bits.
        return {}

    def vision_costs(self, precision: Precision, reading: PictureReading, report: Report) -> Costs:
        raise AssertionError("its recipe has no pictures")

    def plain(self, precision: Precision) -> ir.Model:
        return self.convert(precision, [])


def _open(
    path: Path, precision: Precision, checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase
) -> _Imported:
    graph = PublishedGraph(path)
    if recipe.adapters:
        raise ExportError(
            f"{path} has no input that says which of the checkpoint's adapters to use: export the checkpoint from its "
            "PyTorch weights."
        )
    # A choice: some texts of different lengths, so that a pooling which counts padding shows.
    encoding = tokenizer(texts().queries[:8], padding=True, return_tensors="np")
    sample = {name: encoding.get(name, np.zeros_like(encoding["input_ids"])) for name in graph.inputs}
    is_plain = not (checkpoint.root / "modules.json").is_file()
    contents = find_contents(graph, recipe, lambda: load_heads(checkpoint, recipe, tokenizer), is_plain, sample)

    def run(feeds: Feeds) -> Floats:
        (states,) = graph.run([contents.output], feeds)
        made = apply(contents.after, states, feeds["attention_mask"])
        return made[:, 0] if recipe.scoring.reads_pairs else made

    model = ReferenceModel(
        name="ONNX Runtime",
        version=f"{onnxruntime.__version__} on the original graph",
        inputs=graph.inputs,
        run=run,
        # With one scale for all of an input tensor, other texts in a batch would change every output.
        max_batch=max_batch(ir.load(path)) or ReferenceModel.max_batch,
    )
    (states,) = graph.run([contents.output], sample)
    return _Imported(path, contents, model, ir.Shape([*(BATCH, TOKENS)[: states.ndim - 1], states.shape[-1]]))


def _described(contents: Contents) -> tuple[str | None, list[int], bool]:
    heads = [*contents.inside, *contents.after]
    return pooling(heads), projections(heads), normalized(heads)


def _declare_inputs(graph: ir.Graph) -> None:
    """Leave only what is fed: graphs of before IR version 4 list their weights among their inputs."""
    fed = [value for value in graph.inputs if value.name not in graph.initializers]
    graph.inputs.clear()
    graph.inputs.extend(fed)


def _make_positions(graph: ir.Graph) -> None:
    """Compute position ids, where they are an input, as `PublishedGraph` does."""
    positions = next((value for value in graph.inputs if value.name == POSITIONS), None)
    if positions is None:
        return
    mask = next(value for value in graph.inputs if value.name == "attention_mask")
    nodes = NodeList(graph, f"scorert.{POSITIONS}")
    seen = nodes.add("CumSum", mask, nodes.constant(np.int64(1)))
    last = nodes.add("Sub", seen, nodes.constant(np.int64(1)))
    made = nodes.add("Max", last, nodes.constant(np.int64(0)))
    ir.convenience.replace_all_uses_with(positions, made)
    graph.inputs.remove(positions)
    graph.insert_before(graph[0], nodes.nodes)
