"""Makes the two graphs of a multimodal model, of its vision tower and of its text body, by tracing both apart."""

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx_ir as ir
import PIL.Image
import torch
from transformers import PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.artifact.artifact import IMAGE_EMBEDDINGS, PAST
from engine.artifact.precisions import Precision
from engine.images.decode import decode, from_pillow
from engine.images.preprocessing import Preprocessing
from engine.images.reading import PictureReading
from engine.images.smart_resize import SmartResize
from engine.images.tiles import ImageSplitting
from engine.progress import Report, unheard
from engine.runtime.feeds import Run, fill
from engine.runtime.vision_feeds import fill_vision
from engine.text.layout import Input

from ..checkpoint.files import Checkpoint
from ..checkpoint.images.checking import check_preprocessing, load_processor
from ..checkpoint.images.reading import read_preprocessing
from ..errors import ExportError, explained
from ..exporter import Costs
from ..heads.in_numpy import apply
from ..heads.in_onnx import append_heads
from ..heads.loaded import load_heads
from ..precisions import PRECISIONS, Limit
from ..recipe import Recipe
from ..verification.pictured import PicturedReference
from ..verification.pictures import pictures
from ..verification.reference import ReferenceModel
from . import unsplit
from .convert import Converter
from .costs import costs
from .loading import load_multimodal
from .mapped import Mapped
from .network import Network, stray_weights
from .steps import Counted
from .towers.convert import convert_vision
from .towers.split import Towers, split


class TracedTowers:
    """An `Exporter`: the model is loaded once, in float32, and every precision is held against it, unsplit.

    It is split when the first graph is made: the reference has run by then, and there is no second copy of it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        tokenizer: PreTrainedTokenizerBase,
        precisions: list[Precision],
        allow_missing: bool,
        mapped_in: Path | None = None,
    ) -> None:
        """Weights are read from files in `mapped_in`, where it is given, and stay in memory otherwise.

        Raises `ExportError`, also for missing or unexpected weights unless they are allowed.
        """
        loaded = load_multimodal(checkpoint, recipe)
        self.precisions = precisions
        self.built_with = ["torch", "transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers", "pillow"]
        self.warning = stray_weights(loaded, recipe.architecture, allow_missing)
        self.heads = load_heads(checkpoint, recipe, tokenizer)
        with explained(
            "The settings of the checkpoint's image processor are not what such a processor has ({}): correct them."
        ):
            own = read_preprocessing(checkpoint)
            self._is_checked = check_preprocessing(own, checkpoint.folder)
        self._pixels = _within(own, recipe)
        self.preprocessing: Preprocessing | None = self._pixels
        self._checkpoint = checkpoint
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._model: Any = loaded.model
        self._mapped = Mapped(mapped_in)
        self._mapped.network(self._model)
        self._traced_vision: ir.Model | None = None
        self._reference_model = ReferenceModel("PyTorch", f"{torch.__version__} float32", [], self._run)

    def reference_model(self, precision: Precision) -> ReferenceModel:
        return self._reference_model

    def reference(self, model: ReferenceModel, max_length: int) -> PicturedReference:
        process = self._processed if self._is_checked else self._own_pixels
        return PicturedReference(model, self._tokenizer, process, self._recipe, max_length)

    def limit(self, precision: Precision) -> Limit:
        return PRECISIONS[precision].limit

    def convert(
        self,
        precision: Precision,
        samples: Sequence[Feeds],
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        return self._converter.convert(precision, [self._fed(sample) for sample in samples], kept, report)

    def costs(self, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
        return self._converter.costs(precision, [self._fed(sample) for sample in samples], report)

    def _fed(self, sample: Feeds) -> Feeds:
        """What the text graph is fed for the tokens of a text: no pictures."""
        ids = sample["input_ids"][0]
        none = np.zeros((self._towers.vision.levels, 1, self._width), np.float32)
        item = Input(ids, np.zeros_like(ids), len(ids))
        return fill(self._inputs, Run([item], 0, (1, len(ids)), pad_token=0, no_picture=none))

    def convert_vision(
        self,
        precision: Precision,
        reading: PictureReading,
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        making = PRECISIONS[precision]
        if making.half:
            return self._vision(True, report)
        # A clone, because quantisation rewrites in place.
        model = self._float32_vision(report).clone()
        if making.quantize is None:
            return model
        return making.quantize(model, Counted(self._samples(reading), report), kept)

    def vision_costs(self, precision: Precision, reading: PictureReading, report: Report) -> Costs:
        return costs(self._float32_vision(unheard), self._towers.vision, precision, self._samples(reading), report)

    def _float32_vision(self, report: Report) -> ir.Model:
        """The vision graph that those in float32 and in 8 bits are made of, traced once."""
        if self._traced_vision is None:
            self._traced_vision = self._vision(False, report)
            self._mapped.graph(self._traced_vision, "vision")
        return self._traced_vision

    def _vision(self, half: bool, report: Report) -> ir.Model:
        """The vision graph without quantisation."""
        model = convert_vision(self._towers.vision, PRECISIONS["fp16" if half else "fp32"].provider, half, report)
        (output,) = model.graph.outputs
        if output.name != IMAGE_EMBEDDINGS:
            normalization = [head for head in self.heads if head.kind == "Normalize"]
            append_heads(model.graph, normalization, output, self._recipe.scoring)
        return model

    def plain(self, precision: Precision) -> ir.Model:
        raise AssertionError("TensorRT was refused before")

    @cached_property
    def _towers(self) -> Towers:
        return split(self._model)

    @cached_property
    def _converter(self) -> Converter:
        network = Network(self._towers.text)
        network.eval()
        # What prompts have in common at their beginning is then computed once.
        shares = self._recipe.template is not None and network.is_causal
        past = [PAST] if shares else []
        return Converter(network, self.heads, self._recipe.scoring, [*self._inputs, *past], self._mapped)

    @property
    def _width(self) -> int:
        """The text body's."""
        return int(self._towers.text.config.hidden_size)

    @property
    def _inputs(self) -> list[str]:
        """The text graph's, but for a past."""
        return ["input_ids", "attention_mask", *getattr(self._towers.text, "inputs", [])]

    def _samples(self, reading: PictureReading) -> list[Feeds]:
        """What the vision graph is fed for the pictures that activations are measured on: those of the verification."""
        names = [value.name for value in self._float32_vision(unheard).graph.inputs if value.name is not None]
        prepared = [self._pixels.prepare(decode(sample.data)) for sample in pictures()]
        return [fill_vision(names, [picture], reading.sides) for picture in prepared]

    @cached_property
    def _processor(self) -> Any:
        """transformers' image processor."""
        return load_processor(self._checkpoint.folder)

    def _processed(self, images: Sequence[PIL.Image.Image]) -> dict[str, Any]:
        """Pictures as transformers' image processor makes them."""
        # Pictures are always RGB by then, whatever the checkpoint says.
        options: dict[str, Any] = {}
        if isinstance(self._pixels, ImageSplitting):
            options = {"return_row_col_info": True, "do_image_splitting": self._pixels.split}
        if isinstance(self._pixels, SmartResize):
            options["size"] = {"shortest_edge": self._pixels.min_pixels, "longest_edge": self._pixels.max_pixels}
        processed = self._processor(images=list(images), return_tensors="np", do_convert_rgb=True, **options)
        found = dict(processed)
        if isinstance(self._pixels, ImageSplitting):
            found |= {name: found[name][0] for name in ("rows", "cols")}
        return found

    def _own_pixels(self, images: Sequence[PIL.Image.Image]) -> dict[str, Any]:
        """The engine's preprocessing, where transformers has none to hold it against."""
        tiles = [self._pixels.prepare(from_pillow(image)).pixels for image in images]
        return {"pixel_values": np.concatenate(tiles), "tiles": [len(own) for own in tiles]}

    def _run(self, feeds: Feeds) -> Floats:
        try:
            return self._computed(feeds)
        except (IndexError, RuntimeError, ValueError) as error:
            raise ExportError(
                f"The checkpoint's model does not take what its own processor makes ({error}): correct config.json or "
                "preprocessor_config.json, which contradict each other."
            ) from None

    def _computed(self, feeds: Feeds) -> Floats:
        assert self._recipe.pictures is not None
        with torch.no_grad():
            tensors = {name: torch.from_numpy(array) for name, array in feeds.items()}
            if not self._recipe.pictures.placeholder:
                embedding: Floats = unsplit.embed_apart(self._model, tensors).numpy()
                normalization = [head for head in self.heads if head.kind == "Normalize"]
                return apply(normalization, embedding, feeds["attention_mask"])
            token = self._tokenizer.convert_tokens_to_ids(self._recipe.pictures.token)
            assert isinstance(token, int)
            output = unsplit.states(self._model, tensors, token).numpy()
        made = apply(self.heads, output, feeds["attention_mask"])[0]
        rows: Floats = made[0] if self._recipe.scoring.reads_pairs else made
        return rows


def _within(preprocessing: Preprocessing, recipe: Recipe) -> Preprocessing:
    """The preprocessing with as many pixels, or tiles, as the recipe gives a picture."""
    assert recipe.pictures is not None
    if isinstance(preprocessing, ImageSplitting) and not recipe.pictures.split:
        return msgspec.structs.replace(preprocessing, split=False)
    if not isinstance(preprocessing, SmartResize):
        return preprocessing
    own = preprocessing.min_pixels, preprocessing.max_pixels
    fewest, most = recipe.pictures.pixels or own
    most = min(most, recipe.pictures.most_pixels or most)
    return msgspec.structs.replace(preprocessing, min_pixels=fewest or own[0], max_pixels=most)
