"""Describes an artifact in its manifest: everything but the graphs, which the pipeline adds as it makes them."""

import importlib.metadata
import time
from typing import Literal

from transformers import PreTrainedTokenizerBase

from engine import __version__
from engine.artifact.artifact import SCHEMA_VERSION, SCORE_TEMPLATE, Manifest, PairLayout, Prompts
from engine.images.placeholder import Placeholder
from engine.images.reading import PictureReading

from .checkpoint.files import Checkpoint
from .checkpoint.settings import SHORTEST
from .errors import ExportError
from .exporter import Exporter
from .heads.loaded import normalized, pooling, projections
from .recipe import Recipe
from .recognition.families import max_positions
from .recognition.layouts import known_token, pair_layout, prompt_layout, text_layout, tile_marks


def describe(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    exporter: Exporter,
    name: str,
    max_length: int,
    prompts: Prompts = "authors",
) -> Manifest:
    """The manifest without its graphs, their files and their dimension."""
    is_pair, sides = recipe.scoring.reads_pairs, recipe.adapters
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
        built_with={"scorert": __version__} | {name: importlib.metadata.version(name) for name in exporter.built_with},
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
        pooling=pooling(exporter.heads),
        projections=projections(exporter.heads),
        normalized=normalized(exporter.heads),
        pictures=_pictures(tokenizer, recipe, exporter),
        prompts=prompts,
        truncation=_truncation(tokenizer, recipe),
        warnings=[*recipe.warnings, *filter(None, [exporter.warning])],
    )


def _pictures(tokenizer: PreTrainedTokenizerBase, recipe: Recipe, exporter: Exporter) -> PictureReading | None:
    """How the artifact reads pictures; what they cost is known when there are graphs. Raises `ExportError`."""
    own, preprocessing = recipe.pictures, exporter.preprocessing
    if own is None or preprocessing is None:
        return None
    placeholder = None
    if own.placeholder:
        placeholder = Placeholder(
            text=own.placeholder,
            token=known_token(tokenizer, own.token, "stands for pictures"),
            rows=own.rows,
            marks=tile_marks(tokenizer) if own.marked else None,
        )
    return PictureReading(
        preprocessing=preprocessing,
        piece_cost=1.0,
        sides=own.sides,
        placeholder=placeholder,
        in_two_dimensions=own.in_two_dimensions,
        on_queries=own.on_queries,
    )


def _truncation(tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Literal["left", "right"]:
    """The tokenizer's own side; prompts and pictures' texts are shortened by rules of ScoreRT's."""
    is_left = tokenizer.truncation_side == "left" and recipe.template is None and recipe.pictures is None
    return "left" if is_left else "right"


def _pair(tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> PairLayout:
    if recipe.template is None:
        return pair_layout(tokenizer)
    return prompt_layout(tokenizer, recipe.surrounded, recipe.end)


def longest_input(checkpoint: Checkpoint, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, asked: int | None) -> int:
    """The most tokens that an input of the artifact may have, special ones included. Raises `ExportError`.

    What the tokenizer says counts where neither the model's authors nor sentence-transformers' settings say another
    number, which go before it in their code.
    """
    positions = max_positions(checkpoint.native)
    if positions < SHORTEST:
        raise ExportError(
            f"{checkpoint.config.file} leaves the model {positions} positions, and it must have {SHORTEST} at least: "
            "correct max_position_embeddings and pad_token_id, or fetch the file again."
        )
    if asked is None:
        return int(min(positions, recipe.max_length or tokenizer.model_max_length))
    if not SHORTEST <= asked <= positions:
        raise ExportError(
            f"--max-length must be from {SHORTEST} to {positions}, the positions {recipe.architecture} has."
        )
    return asked
