"""A checkpoint in, a verified artifact out."""

import importlib.metadata
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx_ir as ir
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine import __version__
from engine.artifact import (
    MANIFEST,
    SCHEMA_VERSION,
    TOKENIZER,
    File,
    Graph,
    Manifest,
    Precision,
    ScoreType,
    sha256,
)

from .convert import PROVIDERS, Converter, interface, save
from .errors import ExportError
from .families import family_of
from .layouts import pair_layout, text_layout
from .network import ScoringNetwork, load_network
from .progress import Progress
from .recipe import Recipe, recognise
from .reference import Reference
from .source import Checkpoint
from .staging import staged
from .verify import expected, verify

_BUILT_WITH = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class Options:
    """What the command line asks for. The artifact becomes `output / name`."""

    output: Path
    name: str
    precisions: list[Precision]
    score_type: ScoreType | str = "auto"
    max_length: int | None = None
    force: bool = False


def export(checkpoint: Checkpoint, options: Options, progress: Progress) -> Path:
    """Write the artifact of a checkpoint, every graph verified against PyTorch, and return its folder.

    Raises `ExportError` and `VerificationError`; either way nothing is left behind.
    """
    recipe = recognise(checkpoint, options.score_type)
    progress.say(f"{checkpoint.source.model} is a {recipe.score_type} ({recipe.architecture})")
    target = options.output / options.name
    with staged(target, options.force) as folder:
        with progress.stage("load the checkpoint"):
            tokenizer = _load_tokenizer(checkpoint, recipe)
            network = load_network(checkpoint, recipe)
        max_length = _max_length(checkpoint, recipe, tokenizer, options.max_length)
        _save_tokenizer(tokenizer, folder)
        manifest = _describe(checkpoint, recipe, tokenizer, network, options.name, max_length)
        reference = Reference(network, tokenizer, recipe, max_length)
        with progress.stage("score the verification texts with PyTorch"):
            wanted = expected(reference, manifest)
        graphs = []
        converter = Converter(network, reference.inputs)
        for precision in options.precisions:
            with progress.stage(f"convert to {precision}"):
                graph = _save_graph(converter.convert(precision), precision, folder)
            with progress.stage(f"verify {precision}"):
                verification = verify(folder, manifest, graph, wanted)
            progress.say(
                f"  {verification.quantity}: max error {verification.max_abs_error:.2g}, "
                f"mean {verification.mean_abs_error:.2g}; Spearman {verification.spearman:.5f}"
            )
            graphs.append(msgspec.structs.replace(graph, verification=verification))
        files = {path.name: File(sha256=sha256(path), size=path.stat().st_size) for path in sorted(folder.iterdir())}
        manifest = msgspec.structs.replace(manifest, graphs=graphs, files=files)
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return target


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
        max_batch=1 if precision == "int8-fast" else None,
    )


def _describe(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    network: ScoringNetwork,
    name: str,
    max_length: int,
) -> Manifest:
    """The manifest without its graphs and files."""
    is_pair = recipe.score_type == "cross-encoder"
    kinds = [head.kind for head in recipe.heads]
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
        built_with={"scorert": __version__} | {package: importlib.metadata.version(package) for package in _BUILT_WITH},
        pair=pair_layout(tokenizer) if is_pair else None,
        activation=recipe.activation,
        query=None if is_pair else text_layout(tokenizer, recipe.query, recipe.query_prompt),
        document=None if is_pair else text_layout(tokenizer, recipe.document, recipe.document_prompt),
        similarity=recipe.similarity,
        pooling=network.pooling,
        projections=network.projections,
        normalized="Normalize" in kinds,
        dimension=None if is_pair else network.dimension,
    )


def _max_length(checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, asked: int | None) -> int:
    positions = family_of(checkpoint.config, recipe.architecture).max_positions(checkpoint.config)
    if asked is None:
        return min(positions, recipe.max_length or positions, tokenizer.model_max_length)
    if not 8 <= asked <= positions:
        raise ExportError(f"--max-length must be from 8 to {positions}, the positions {recipe.architecture} has.")
    return asked


def _load_tokenizer(checkpoint: Checkpoint, recipe: Recipe) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            checkpoint.folder, trust_remote_code=checkpoint.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise ExportError(f"The checkpoint's tokenizer does not load: {error}") from None
    if not tokenizer.is_fast:
        raise ExportError(
            f"{type(tokenizer).__name__} has no tokenizer.json, which serving needs: convert it to a fast tokenizer."
        )
    if recipe.lower_case and tokenizer("A")["input_ids"] != tokenizer("a")["input_ids"]:
        raise ExportError(
            "The folder's sentence_bert_config.json lower-cases texts (do_lower_case) and its tokenizer does not, so "
            "scores would differ: put a Lowercase normalizer into the checkpoint's tokenizer.json."
        )
    return tokenizer


def _save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    (folder / TOKENIZER).write_text(backend.to_str(pretty=True), encoding="utf-8")
