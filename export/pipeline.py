"""Turns a checkpoint into a verified artifact.

The stages, in order:
1. Recognise the checkpoint: what its files say becomes a recipe (`recognition`).
2. Load it: the tokenizer, and an exporter with the network or with published graphs (`tracing`, `importing`).
3. Describe the artifact: a manifest that has no graphs yet (`manifest`), the tokenizer's file and the score template.
4. For each precision:
   a. score the verification texts with the reference model (`verification.reference`), unless that is done already;
   b. convert: trace or import the graph, append the heads, and rewrite (`heads`, `rewrites`); for a model that reads
      pictures, do the same for its vision tower;
   c. verify: run the saved graphs with the engine (`verification.verify`); past their limit those in 8 bits are made
      again with some weights in float32 (`mixed`), and others are refused;
   d. where TensorRT is asked for, do the same for a graph of its own (`tensorrt`).
5. Write the manifest, with the digests of all files. Only then does the folder get its name (`staging`).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from transformers import PreTrainedTokenizerBase

from engine.artifact.artifact import MANIFEST, SCORE_TEMPLATE, Manifest, Prompts, Verification
from engine.artifact.manifest import files_of
from engine.artifact.seal import seal
from engine.progress import Progress
from engine.score_types import ScoreTypeName

from . import tensorrt
from .checkpoint.files import Checkpoint
from .checkpoint.tokenizer import check_words, fit, load_tokenizer, save_tokenizer
from .errors import ExportError
from .exporter import Exporter, OpenExporter
from .making import Making
from .manifest import describe, longest_input
from .precisions import PRECISIONS
from .recipe import Recipe
from .recognition.families import is_decoder
from .recognition.recognise import recognise
from .stages import stage
from .staging import staged
from .verification.expected import BUDGET_SECONDS, expected, samples
from .verification.texts import texts
from .vision import Seeing


@dataclass(frozen=True)
class Options:
    """What the command line asks for. The artifact becomes `output / name`; `provider` is one to build plans for.

    `verify_seconds` are what the reference may take for the verification texts, and each graph again; None: whatever
    all of them take. `template` is the text of a score template in the place of the checkpoint's.
    """

    output: Path
    name: str
    score_type: ScoreTypeName | str = "auto"
    prompts: Prompts = "authors"
    max_length: int | None = None
    force: bool = False
    provider: Literal["tensorrt"] | None = None
    verify_seconds: float | None = BUDGET_SECONDS
    template: str | None = None


def export(checkpoint: Checkpoint, open_exporter: OpenExporter, options: Options, progress: Progress) -> Path:
    """Write the artifact of a checkpoint, every graph verified against its reference, and return its folder.

    Raises `ExportError` and `VerificationError`; either way nothing is left behind.
    """
    recipe = recognise(checkpoint, options.score_type, options.prompts, options.template)
    if options.provider is not None and recipe.pictures is not None:
        raise ExportError("TensorRT's plans are for models of texts: leave --provider out, and serve with cuda.")
    progress.say(f"{checkpoint.source.model} is a {recipe.score_type} ({recipe.architecture})")
    for warning in recipe.warnings:
        progress.say(f"warning: {warning}")
    target = options.output / options.name
    with staged(target, options.force) as folder:
        with stage(progress, "load the checkpoint"):
            loaded = load(checkpoint, recipe, open_exporter, options)
        exporter, manifest = loaded.exporter, loaded.manifest
        for warning in loaded.warnings:
            progress.say(f"warning: {warning}")
        if options.provider is not None and not any(
            PRECISIONS[precision].is_floating for precision in exporter.precisions
        ):
            raise ExportError("TensorRT is given graphs in floating point: add fp16 or fp32 to --precision.")
        save_tokenizer(loaded.tokenizer, folder)
        if recipe.template is not None:
            (folder / SCORE_TEMPLATE).write_text(recipe.template, encoding="utf-8")
        wanted = None
        for precision in exporter.precisions:
            model = exporter.reference_model(precision)
            if wanted is None or wanted.model is not model:
                with stage(progress, f"score the verification texts with {model.name}") as report:
                    reference = exporter.reference(model, manifest.max_length)
                    wanted = expected(reference, manifest, options.verify_seconds, report)
                    fed = samples(reference, manifest)
                manifest = msgspec.structs.replace(manifest, dimension=wanted.dimension)
            making = Making(exporter, folder, progress, fed, wanted, options.verify_seconds)
            graph, weights = making.text(precision)
            if recipe.pictures is None:
                graphs = [making.verified(manifest, graph)]
            else:
                manifest, graphs = Seeing(making).add(manifest, graph, weights, recipe.pictures.patches)
            for line in _summary(graphs[0].verification):
                progress.say(line)
            if options.provider is not None and PRECISIONS[precision].is_floating:
                with stage(progress, f"convert to {precision} for TensorRT"):
                    graph = tensorrt.save_graph(exporter.plain(precision), precision, manifest, folder)
                with stage(progress, f"build TensorRT's plan of {precision}, and verify it"):
                    verification = tensorrt.build(folder, manifest, graph, wanted, exporter.limit(precision))
                for line in _summary(verification):
                    progress.say(line)
                graphs.append(msgspec.structs.replace(graph, verification=verification))
            manifest = msgspec.structs.replace(manifest, graphs=[*manifest.graphs, *graphs])
        manifest = msgspec.structs.replace(manifest, files=files_of(folder))
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        seal(folder)
    return target


@dataclass(frozen=True)
class Loaded:
    """A checkpoint's tokenizer and network, and the manifest of the artifact that they become, without graphs."""

    tokenizer: PreTrainedTokenizerBase
    exporter: Exporter
    manifest: Manifest
    warnings: list[str]


def load(checkpoint: Checkpoint, recipe: Recipe, open_exporter: OpenExporter, options: Options) -> Loaded:
    """Load what is to be exported. Raises `ExportError` for files that do not go together."""
    tokenizer = load_tokenizer(checkpoint, recipe)
    if not is_decoder(checkpoint.native):
        # Encoders count positions from the first token: on the left, padding would change scores.
        tokenizer.padding_side = "right"
    without = fit(tokenizer, checkpoint, recipe)
    check_words(tokenizer, [*texts().queries, *texts().documents])
    if without:
        recipe = replace(recipe, warnings=[*recipe.warnings, without])
    exporter = open_exporter(checkpoint, recipe, tokenizer)
    max_length = longest_input(checkpoint, recipe, tokenizer, options.max_length)
    manifest = describe(checkpoint, recipe, tokenizer, exporter, options.name, max_length, options.prompts)
    return Loaded(tokenizer, exporter, manifest, [*filter(None, (without, exporter.warning))])


def _summary(found: Verification | None) -> list[str]:
    assert found is not None, "it was verified just now"
    figures = (
        f"  {found.quantity}: max error {found.max_abs_error:.2g}, mean {found.mean_abs_error:.2g}; "
        f"Spearman {found.spearman:.5f}"
    )
    return [figures] if found.why is None else [figures, f"  over {found.why}"]
