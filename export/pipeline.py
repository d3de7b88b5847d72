"""A checkpoint in, a verified artifact out."""

import importlib.metadata
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import onnx_ir as ir
from transformers import PreTrainedTokenizerBase

from engine import __version__
from engine.artifact import (
    MANIFEST,
    SCHEMA_VERSION,
    SCORE_TEMPLATE,
    Graph,
    Manifest,
    PairLayout,
    Verification,
    files_of,
)
from engine.precisions import Precision
from engine.score_types import ScoreTypeName

from . import tensorrt
from .checkpoint.files import Checkpoint
from .checkpoint.published import adapters
from .checkpoint.tokenizer import load_tokenizer, save_tokenizer
from .errors import ExportError
from .graph import PROVIDERS, interface, max_batch, multiple, save
from .heads.loaded import normalized, pooling, projections
from .origin import OpenOrigin, Origin
from .progress import Progress
from .recipe import Recipe
from .recognition.families import max_positions
from .recognition.layouts import pair_layout, prompt_layout, text_layout
from .recognition.recognise import recognise
from .staging import staged
from .verification.reference import Reference
from .verification.verify import expected, samples, verify


@dataclass(frozen=True)
class Options:
    """What the command line asks for. The artifact becomes `output / name`; `provider` is one to build engines for."""

    output: Path
    name: str
    score_type: ScoreTypeName | str = "auto"
    max_length: int | None = None
    force: bool = False
    provider: Literal["tensorrt"] | None = None


def export(checkpoint: Checkpoint, open_origin: OpenOrigin, options: Options, progress: Progress) -> Path:
    """Write the artifact of a checkpoint, every graph verified against its original, and return its folder.

    Raises `ExportError` and `VerificationError`; either way nothing is left behind.
    """
    recipe = recognise(checkpoint, options.score_type)
    progress.say(f"{checkpoint.source.model} is a {recipe.score_type} ({recipe.architecture})")
    target = options.output / options.name
    with staged(target, options.force) as folder:
        with progress.stage("load the checkpoint"):
            tokenizer = load_tokenizer(checkpoint, recipe)
            origin = open_origin(checkpoint, recipe, tokenizer)
        if origin.warning:
            progress.say(f"warning: {origin.warning}")
        if options.provider is not None and not tensorrt.PRECISIONS.intersection(origin.precisions):
            raise ExportError("TensorRT is given graphs in floating point: add fp16 or fp32 to --precision.")
        max_length = _max_length(checkpoint, recipe, tokenizer, options.max_length)
        save_tokenizer(tokenizer, folder)
        if recipe.template is not None:
            (folder / SCORE_TEMPLATE).write_text(recipe.template, encoding="utf-8")
        manifest = _describe(checkpoint, recipe, tokenizer, origin, options.name, max_length)
        wanted = None
        for precision in origin.precisions:
            original = origin.original(precision)
            if wanted is None or wanted.original is not original:
                with progress.stage(f"score the verification texts with {original.name}"):
                    reference = Reference(original, tokenizer, recipe, max_length, adapters(checkpoint.native))
                    wanted = expected(reference, manifest)
                    fed = samples(reference, manifest)
                manifest = msgspec.structs.replace(manifest, dimension=wanted.dimension)
            with progress.stage(f"convert to {precision}"):
                graph = _save_graph(origin.convert(precision, fed), precision, folder)
            with progress.stage(f"verify {precision}"):
                verification = verify(folder, manifest, graph, wanted, origin.limit(precision))
            progress.say(_summary(verification))
            graphs = [msgspec.structs.replace(graph, verification=verification)]
            if options.provider is not None and precision in tensorrt.PRECISIONS:
                with progress.stage(f"convert to {precision} for TensorRT"):
                    graph = tensorrt.save_graph(origin.plain(precision), precision, manifest, folder)
                with progress.stage(f"build TensorRT's engine of {precision}, and verify it"):
                    verification = tensorrt.build(folder, manifest, graph, wanted, origin.limit(precision))
                progress.say(_summary(verification))
                graphs.append(msgspec.structs.replace(graph, verification=verification))
            manifest = msgspec.structs.replace(manifest, graphs=[*manifest.graphs, *graphs])
        manifest = msgspec.structs.replace(manifest, files=files_of(folder))
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return target


def _summary(found: Verification) -> str:
    return (
        f"  {found.quantity}: max error {found.max_abs_error:.2g}, mean {found.mean_abs_error:.2g}; "
        f"Spearman {found.spearman:.5f}"
    )


def _save_graph(model: ir.Model, precision: Precision, folder: Path) -> Graph:
    path = folder / f"model_{precision}.onnx"
    save(model, path)
    inputs, outputs = interface(model)
    return Graph(
        precision=precision,
        provider=PROVIDERS[precision],
        file=path.name,
        inputs=inputs,
        outputs=outputs,
        max_batch=max_batch(model),
        multiple=multiple(model),
    )


def _describe(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    origin: Origin,
    name: str,
    max_length: int,
) -> Manifest:
    """The manifest without its graphs, their files and their dimension."""
    is_pair = recipe.score_type == "cross-encoder"
    sides = adapters(checkpoint.native)
    special = {key: tokenizer.convert_tokens_to_ids(value) for key, value in tokenizer.special_tokens_map.items()}
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        created=int(time.time()),
        score_type=recipe.score_type,
        architecture=recipe.architecture,
        source=checkpoint.source,
        max_length=max_length,
        pad_token=int(tokenizer.pad_token_id or 0),
        special_tokens={key: value for key, value in special.items() if isinstance(value, int)},
        graphs=[],
        files={},
        built_with={"scorert": __version__} | {name: importlib.metadata.version(name) for name in origin.built_with},
        pair=_pair(tokenizer, recipe) if is_pair else None,
        template=SCORE_TEMPLATE if recipe.template is not None else None,
        instruction=recipe.instruction,
        activation=recipe.activation,
        query=None if is_pair else text_layout(tokenizer, recipe.query, recipe.query_prompt, sides.get("query")),
        document=None
        if is_pair
        else text_layout(tokenizer, recipe.document, recipe.document_prompt, sides.get("document")),
        similarity=recipe.similarity,
        matryoshka=recipe.matryoshka,
        pooling=pooling(origin.heads),
        projections=projections(origin.heads),
        normalized=normalized(origin.heads),
    )


def _pair(tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> PairLayout:
    return pair_layout(tokenizer) if recipe.template is None else prompt_layout(tokenizer, recipe.surrounded)


def _max_length(checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, asked: int | None) -> int:
    positions = max_positions(checkpoint.native)
    if asked is None:
        return min(positions, recipe.max_length or positions, tokenizer.model_max_length)
    if not 8 <= asked <= positions:
        raise ExportError(f"--max-length must be from 8 to {positions}, the positions {recipe.architecture} has.")
    return asked
