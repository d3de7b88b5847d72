"""Makes the two graphs of a multimodal model, of its vision tower and of its text body, by tracing both apart."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir
import PIL.Image
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.artifact import IMAGE_EMBEDDINGS, PAST
from engine.images.reading import PictureReading
from engine.precisions import Precision
from engine.runtime.vision_feeds import fill_vision

from ..checkpoint.files import Checkpoint
from ..checkpoint.images.checking import check_preprocessing, load_processor
from ..checkpoint.images.reading import read_preprocessing
from ..errors import ExportError
from ..heads.in_numpy import apply
from ..heads.in_onnx import append_heads
from ..heads.loaded import load_heads
from ..precisions import PRECISIONS, Limit
from ..recipe import Recipe
from ..verification.pictured import PicturedReference
from ..verification.reference import ReferenceModel
from .convert import Converter
from .loading import load_multimodal
from .network import Network, stray_weights
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
    ) -> None:
        """Raises `ExportError`, also for missing or unexpected weights unless they are allowed."""
        loaded = load_multimodal(checkpoint, recipe)
        self.precisions = precisions
        self.built_with = ["torch", "transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers", "pillow"]
        self.heads = load_heads(checkpoint, recipe, tokenizer)
        self.warning = stray_weights(loaded, recipe.architecture)
        if self.warning and not allow_missing:
            raise ExportError(f"{self.warning} Give the whole checkpoint, or take it as it is with --allow-missing.")
        self.preprocessing = read_preprocessing(checkpoint)
        self.pictures_checked = check_preprocessing(self.preprocessing, checkpoint.folder)
        self._checkpoint = checkpoint
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._model: Any = loaded.model
        self._reference_model = ReferenceModel("PyTorch", f"{torch.__version__} float32", [], self._run)

    def reference_model(self, precision: Precision) -> ReferenceModel:
        return self._reference_model

    def reference(self, model: ReferenceModel, max_length: int) -> PicturedReference:
        process = self._processor if self.pictures_checked else self._own_pixels
        return PicturedReference(model, self._tokenizer, process, self._recipe, max_length)

    def limit(self, precision: Precision) -> Limit:
        return PRECISIONS[precision].limit

    def convert(self, precision: Precision, samples: Sequence[Feeds]) -> ir.Model:
        return self._converter.convert(precision, samples)

    def convert_vision(self, precision: Precision, reading: PictureReading) -> ir.Model:
        making = PRECISIONS[precision]
        tower = self._towers.vision
        model = convert_vision(tower, making.provider, making.half)
        (output,) = model.graph.outputs
        if output.name != IMAGE_EMBEDDINGS:
            normalization = [head for head in self.heads if head.kind == "Normalize"]
            append_heads(model.graph, normalization, output, self._recipe.scoring)
        if making.quantize is None:
            return model
        names = [value.name for value in model.graph.inputs if value.name is not None]
        return making.quantize(model, [fill_vision(names, [picture], reading.sides) for picture in self._samples()])

    def plain(self, precision: Precision) -> ir.Model:
        raise ExportError("TensorRT's plans are for models of texts: leave --provider out, and serve with cuda.")

    @cached_property
    def _towers(self) -> Towers:
        return split(self._model)

    @cached_property
    def _converter(self) -> Converter:
        network = Network(self._towers.text)
        network.eval()
        # What prompts have in common at their beginning is then computed once.
        shares = self._recipe.template is not None and network.is_causal
        inputs = ["input_ids", "attention_mask", *getattr(self._towers.text, "inputs", [])]
        return Converter(network, self.heads, self._recipe.scoring, [*inputs, *([PAST] if shares else [])])
