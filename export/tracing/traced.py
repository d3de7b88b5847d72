"""Makes graphs by tracing a checkpoint's PyTorch network."""

from collections.abc import Collection, Sequence
from pathlib import Path

import onnx_ir as ir
import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.artifact.artifact import PAST
from engine.artifact.precisions import Precision
from engine.images.preprocessing import Preprocessing
from engine.images.reading import PictureReading
from engine.progress import Report, unheard

from ..checkpoint.files import Checkpoint
from ..errors import ExportError
from ..exporter import Costs
from ..heads.in_numpy import apply
from ..heads.loaded import load_heads
from ..precisions import PRECISIONS, Limit
from ..recipe import Recipe
from ..verification.reference import Reference, ReferenceModel
from .convert import Converter
from .mapped import Mapped
from .network import load_network, stray_weights


class TracedNetwork:
    """An `Exporter`: the network is loaded once, in float32, and every precision is held against it.

    The heads, which graphs have as nodes, are held against the same in numpy.
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
        loaded = load_network(checkpoint, recipe)
        self.preprocessing: Preprocessing | None = None
        self.precisions = precisions
        self.built_with = ["torch", "transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers"]
        self.warning = stray_weights(loaded, recipe.architecture, allow_missing)
        self.heads = load_heads(checkpoint, recipe, tokenizer, loaded.network.config.hidden_size)
        self._network = loaded.network
        mapped = Mapped(mapped_in)
        mapped.network(self._network)
        inputs = ["input_ids", "attention_mask"]
        # What transformers would feed: not every tokenizer makes token type ids, and not every body reads them.
        if "token_type_ids" in tokenizer("a") and self._network.reads("token_type_ids"):
            inputs.append("token_type_ids")
            _require_types(tokenizer, self._network.config, recipe.scoring.reads_pairs)
        if recipe.adapters:
            inputs.append("adapter")
        # What prompts have in common at their beginning is then computed once.
        shares = recipe.template is not None and not checkpoint.trust_remote_code and self._network.is_causal
        past = [PAST] if shares else []
        self._scoring = recipe.scoring
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._converter = Converter(self._network, self.heads, recipe.scoring, [*inputs, *past], mapped)
        self._reference_model = ReferenceModel("PyTorch", f"{torch.__version__} float32", inputs, self._run)

    def reference_model(self, precision: Precision) -> ReferenceModel:
        return self._reference_model

    def reference(self, model: ReferenceModel, max_length: int) -> Reference:
        return Reference(model, self._tokenizer, self._recipe, max_length)

    def limit(self, precision: Precision) -> Limit:
        return PRECISIONS[precision].limit

    def convert(
        self,
        precision: Precision,
        samples: Sequence[Feeds],
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        return self._converter.convert(precision, samples, kept, report)

    def convert_vision(
        self,
        precision: Precision,
        reading: PictureReading,
        kept: Collection[str] = (),
        report: Report = unheard,
    ) -> ir.Model:
        raise AssertionError("its recipe has no pictures")

    def costs(self, precision: Precision, samples: Sequence[Feeds], report: Report) -> Costs:
        return self._converter.costs(precision, samples, report)

    def vision_costs(self, precision: Precision, reading: PictureReading, report: Report) -> Costs:
        raise AssertionError("its recipe has no pictures")

    def plain(self, precision: Precision) -> ir.Model:
        return self._converter.plain(precision)

    def _run(self, feeds: Feeds) -> Floats:
        with torch.no_grad():
            (output,) = self._network(**{name: torch.from_numpy(array) for name, array in feeds.items()}).values()
        states: Floats = output.numpy()
        if self._network.classifies:
            return states
        made = apply(self.heads, states, feeds["attention_mask"])
        return made[:, 0] if self._scoring.reads_pairs else made


def _require_types(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, in_pairs: bool) -> None:
    """Raise `ExportError` for a type of token that the body has no embedding for, while it has some."""
    rows = getattr(config, "type_vocab_size", 0)
    last = max(tokenizer("a", *(["b"] if in_pairs else []))["token_type_ids"])
    if 0 < rows <= last:
        raise ExportError(
            f"The checkpoint's tokenizer gives the token types 0 to {last}, and its model embeddings for {rows} "
            "(type_vocab_size in config.json): put the model's own tokenizer into the folder, or one whose pairs have "
            "no other type."
        )
