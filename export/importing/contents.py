"""Finds out by running a published graph which of a recipe's heads are inside already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Feeds, Floats
from engine.score_types import BI_ENCODER

from ..errors import ExportError
from ..heads.in_numpy import apply
from ..heads.loaded import LoadedHead
from ..recipe import Recipe
from ..recognition.module_list import POOLING_MODES
from .published_graph import PublishedGraph

# The names that exporters have for the output of a body, of a sentence-transformers folder and of a classifier.
_STATES = ("last_hidden_state", "token_embeddings")
_EMBEDDING = "sentence_embedding"
_LOGITS = "logits"

# How far, beside its largest value, an embedding may be from the heads that it is taken for: half precision's rounding.
_SAME = 5e-3

Load = Callable[[], list[LoadedHead]]


@dataclass(frozen=True)
class Contents:
    """The output to go on from, the heads that made it, and the heads that are still to be appended."""

    output: str
    inside: list[LoadedHead]
    after: list[LoadedHead]


def find_contents(graph: PublishedGraph, recipe: Recipe, load: Load, is_plain: bool, sample: Feeds) -> Contents:
    """Look at what the graph makes of `sample`, several texts in one batch.

    `load` reads the recipe's heads with their weights, which a graph that ends in logits does without. `is_plain` says
    that no modules.json named the heads. Raises `ExportError` where the graph lacks an output, or gives something else.
    """
    if recipe.scoring.reads_pairs and (contents := _classifier(graph, recipe, sample)):
        return contents
    if recipe.scoring is BI_ENCODER and _EMBEDDING in graph.outputs:
        return _embedding(graph, load(), is_plain, sample)
    states = _states(graph)
    if states is None:
        wanted = [_LOGITS] if recipe.own_classifier else _STATES
        task = "text-classification" if recipe.own_classifier else "feature-extraction"
        raise ExportError(
            f"{graph.path} has the outputs {', '.join(graph.outputs)}, and a {recipe.score_type} needs "
            f"{' or '.join(wanted)}: export it with that (optimum-cli export onnx --task {task})."
        )
    heads = load()
    _check_shape(graph, states, recipe, heads, sample)
    _check_width(graph, states, heads, sample)
    return Contents(states, [], heads)


def _states(graph: PublishedGraph) -> str | None:
    return next((name for name in _STATES if name in graph.outputs), None)


def _classifier(graph: PublishedGraph, recipe: Recipe, sample: Feeds) -> Contents | None:
    """None for a graph without a classifier, such as a language model's, whose logits are of its vocabulary."""
    if _LOGITS not in graph.outputs:
        return None
    (logits,) = graph.run([_LOGITS], sample)
    if logits.ndim == 2 and logits.shape[1] == 1:
        return Contents(_LOGITS, [], [])
    if logits.ndim == 2 and logits.shape[1] == 2 and recipe.positive is not None:
        difference = np.array([[-1, 1]] if recipe.positive else [[1, -1]], np.float32)
        return Contents(_LOGITS, [], [LoadedHead("Dense", weights={"linear.weight": difference})])
    if logits.ndim == 3 and recipe.heads and _states(graph):
        return None
    if logits.ndim == 3 and recipe.heads:
        raise ExportError(
            f"{graph.path} gives the logits of a whole vocabulary and no last_hidden_state: export the checkpoint from "
            "its PyTorch weights."
        )
    raise ExportError(f"{graph.path} gives logits of shape {list(logits.shape)} for {len(logits)} pairs, and not one.")


def _embedding(graph: PublishedGraph, heads: list[LoadedHead], is_plain: bool, sample: Feeds) -> Contents:
    states_name = _states(graph)
    if states_name is None:
        return _embedding_alone(graph, heads, sample)
    states, embedding = graph.run([states_name, _EMBEDDING], sample)
    for inside, after in _explanations(heads, is_plain):
        made = apply(inside, states, sample["attention_mask"])
        if made.shape == embedding.shape and np.abs(made - embedding).max() <= _SAME * np.abs(embedding).max():
            return Contents(_EMBEDDING, inside, after)
    said = "any pooling" if is_plain else "what its modules.json says"
    raise ExportError(
        f"{graph.path} has a {_EMBEDDING} that is not {said} of its {states_name}: put the modules.json of its PyTorch "
        "checkpoint, with the folders it names, beside it."
    )


def _explanations(heads: list[LoadedHead], is_plain: bool) -> list[tuple[list[LoadedHead], list[LoadedHead]]]:
    """Guesses of which heads are inside and which come after, those with most of the recipe's inside first."""
    found = [(heads[:count], heads[count:]) for count in range(len(heads), 0, -1)]
    if is_plain:
        # The recipe's pooling was only a guess, and optimum writes no modules.json.
        poolings = [LoadedHead("Pooling", {"pooling_mode": mode}) for mode in POOLING_MODES]
        found += [(inside, []) for pooling in poolings for inside in ([pooling], [pooling, LoadedHead("Normalize")])]
    return found


def _embedding_alone(graph: PublishedGraph, heads: list[LoadedHead], sample: Feeds) -> Contents:
    """With nothing to compare it with, only its length can be looked at."""
    (embedding,) = graph.run([_EMBEDDING], sample)
    if embedding.ndim != 2:
        raise ExportError(
            f"{graph.path} gives a {_EMBEDDING} of shape {list(embedding.shape)} for {len(embedding)} texts, and not a "
            f"vector each: call states of tokens {_STATES[0]}, as optimum-cli does."
        )
    has_length_1 = bool(np.allclose(np.linalg.norm(embedding, axis=-1), 1, atol=_SAME))
    if has_length_1 or heads[-1].kind != "Normalize":
        return Contents(_EMBEDDING, heads, [])
    return Contents(_EMBEDDING, heads[:-1], heads[-1:])


def _check_shape(
    graph: PublishedGraph, output: str, recipe: Recipe, heads: Sequence[LoadedHead], sample: Feeds
) -> None:
    (states,) = graph.run([output], sample)
    if recipe.scoring.reads_pairs and not heads:
        if states.ndim != 2 or states.shape[1] != 1:
            raise ExportError(
                f"{graph.path} gives a {output} and no {_LOGITS}, so it lacks the classifier that its config.json "
                "names: export it with that (optimum-cli export onnx --task text-classification)."
            )
    elif states.ndim != 3:
        raise ExportError(
            f"{graph.path} gives a {output} of shape {list(states.shape)} for {len(states)} texts, and not a state of "
            "each token: export the body (optimum-cli export onnx --task feature-extraction)."
        )


def _check_width(graph: PublishedGraph, output: str, heads: Sequence[LoadedHead], sample: Feeds) -> None:
    states: Floats
    (states,) = graph.run([output], sample)
    first = next((head for head in heads if head.kind == "Dense"), None)
    pooled = next((len(head.modes) for head in heads if head.kind == "Pooling"), 1)
    if first is not None and first.weights["linear.weight"].shape[1] != states.shape[-1] * pooled:
        raise ExportError(
            f"{graph.path} has a {output} of width {states.shape[-1]}, which the first Dense module, for "
            f"{first.weights['linear.weight'].shape[1]}, does not take."
        )
