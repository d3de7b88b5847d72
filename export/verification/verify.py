"""Measures how far a graph strays from its reference, and refuses one that strays further than its limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from engine import Engine
from engine.arrays import Feeds, Floats
from engine.artifact import TOKENIZER, Graph, Manifest, Role, Verification
from engine.content import Content, Pictured, ReadContent, Text
from engine.prompts.template import ScoreTemplate
from engine.runtime.cores import cores
from engine.runtime.opened import Opened, OpenedVision
from engine.runtime.providers import CPU, TENSORRT
from engine.runtime.scheduler import Schedule
from engine.runtime.tensorrt import Plans
from engine.text.tokenizer import Tokenizer
from engine.vectors.similarity import sigmoid

from ..errors import VerificationError
from ..precisions import PRECISIONS, Limit
from .contents import contents, label
from .reference import ReferenceModel, Scorer
from .texts import texts

# A choice: as many pairs as one looks at.
_WORST = 5


@dataclass(frozen=True)
class Expected:
    """The reference's answers for the contents. `outputs` are what a graph returns, `scores` float32 `[pairs]`."""

    model: ReferenceModel
    outputs: list[Floats]
    scores: Floats

    @property
    def dimension(self) -> int | None:
        """The width of an embedding; None for logits."""
        return self.outputs[0].shape[-1] if self.outputs[0].ndim else None


def expected(reference: Scorer, manifest: Manifest) -> Expected:
    """Run the reference on every content, or every pair for a cross-encoder."""
    chosen = contents(manifest)
    if manifest.scoring.reads_pairs:
        logits = reference.logits(chosen.pairs)
        return Expected(reference.model, list(logits), _activated(logits, manifest))
    rows = {
        role: dict(zip(side, reference.embeddings(side, role), strict=True))
        for role, side in (("query", chosen.queries), ("document", chosen.documents))
    }
    scores = [_similarity(rows["query"][q], rows["document"][d], manifest) for q, d in chosen.pairs]
    outputs = [*rows["query"].values(), *rows["document"].values()]
    return Expected(reference.model, outputs, np.array(scores, dtype=np.float32))


def samples(reference: Scorer, manifest: Manifest) -> list[Feeds]:
    """The feeds of every fourth text, or of every fourth pair of texts.

    Every fourth is a choice; `int8-fast` was measured with the 48 pairs which that gives (docs/benchmarks/log.md,
    "With VNNI and bfloat16", on scales measured beforehand).
    """
    if manifest.scoring.reads_pairs:
        return reference.pair_feeds(texts().pairs[::4])
    return [
        *reference.text_feeds(texts().queries[::4], "query"),
        *reference.text_feeds(texts().documents[::4], "document"),
    ]


def verify(
    folder: Path,
    manifest: Manifest,
    graph: Graph,
    wanted: Expected,
    limit: Limit,
    plans: Plans | None = None,
    vision: Graph | None = None,
) -> Verification:
    """Compare a graph in `folder` with its reference, as a CPU runs it and, where the graph may be, in padded batches.

    Where inputs may share prefixes they do so both times, and once more in padded batches they do not. With TensorRT's
    `plans` of the graph it runs on those, in the batches they are served in.
    Raises `VerificationError` past the limit.
    """
    tokenizer = Tokenizer(folder / TOKENIZER)
    template = ScoreTemplate.of(folder, manifest, tokenizer)
    provider = CPU if plans is None else TENSORRT
    found = []
    for schedule, least in _ways(graph) if plans is None else [(provider.schedule(graph, None), None)]:
        opened = Opened.of(folder, manifest, graph, provider, schedule, least, plans)
        seeing = None if vision is None else _open_vision(folder, manifest, vision)
        engine = Engine(manifest, opened, tokenizer, template, vision=seeing)
        try:
            found.append(_measure(engine, wanted, limit))
        finally:
            engine.close()
    return max(found, key=lambda verification: verification.max_abs_error)


def _open_vision(folder: Path, manifest: Manifest, graph: Graph) -> OpenedVision:
    return OpenedVision.of(folder, manifest, graph, CPU, CPU.vision_schedule(graph, None))


def _ways(graph: Graph) -> list[tuple[Schedule, int | None]]:
    """Schedules on the CPU, each with the least that a shared prefix saves."""
    share_from = CPU.shares_from(graph)
    ways = [(CPU.schedule(graph, None), share_from)]
    if graph.max_batch is None:
        # A choice: batches as mixed as a GPU's, and small enough for an ordinary machine's memory.
        padded = Schedule(max_sequences=16, max_tokens=16_384, workers=1, threads=cores())
        ways += [(padded, least) for least in dict.fromkeys([None, share_from])]
    return ways


def _measure(engine: Engine, wanted: Expected, limit: Limit) -> Verification:
    outputs, scores = _run(engine)
    _check_shapes(outputs, wanted)
    errors = [np.abs(got - want) for got, want in zip(outputs, wanted.outputs, strict=True)]
    flat = np.concatenate([np.ravel(error) for error in errors])
    score_errors = np.abs(scores - wanted.scores) / _query_tokens(engine.manifest, wanted)
    verification = Verification(
        reference=f"{wanted.model.name} {wanted.model.version}",
        texts=len(wanted.outputs),
        quantity=engine.manifest.scoring.output.replace("_", " "),
        max_abs_error=float(flat.max()),
        mean_abs_error=float(flat.mean()),
        score_max_abs_error=float(score_errors.max()),
        spearman=float(spearmanr(scores, wanted.scores).statistic),
    )
    size = _size(engine, wanted)
    _judge(verification, engine, limit, size, wanted, scores, score_errors)
    return verification


def _run(engine: Engine) -> tuple[Sequence[Floats], Floats]:
    chosen = contents(engine.manifest)
    queries, documents = zip(*((_given(query), _given(document)) for query, document in chosen.pairs), strict=True)
    if engine.manifest.scoring.reads_pairs:
        logits = engine.score(queries, documents, use_activation=False, truncate_prompt_tokens=-1).scores
        return list(logits), _activated(logits, engine.manifest)
    sides: list[tuple[Role, Sequence[ReadContent]]] = [("query", chosen.queries), ("document", chosen.documents)]
    embed = engine.embed_tokens if engine.manifest.scoring.by_token else engine.embed
    rows = [
        row
        for role, side in sides
        for row in embed([*map(_given, side)], role=role, truncate_prompt_tokens=-1).embeddings
    ]
    return rows, engine.score(queries, documents, truncate_prompt_tokens=-1).scores


def _given(content: ReadContent) -> Content:
    """A content as callers give it."""
    return [*content.images, Text(content.text)] if isinstance(content, Pictured) else content


def _activated(logits: Floats, manifest: Manifest) -> Floats:
    return sigmoid(logits) if manifest.activation == "sigmoid" else logits


def _similarity(query: Floats, document: Floats, manifest: Manifest) -> float:
    if manifest.scoring.by_token:
        return float(np.einsum("sh,th->st", query, document).max(axis=1).sum())
    if manifest.similarity == "cosine":
        return float(query @ document / (np.linalg.norm(query) * np.linalg.norm(document)))
    return float(query @ document)


def _query_tokens(manifest: Manifest, wanted: Expected) -> NDArray[np.float64]:
    """MaxSim adds a similarity a query token, so its error is taken a token; other scores are one number."""
    chosen = contents(manifest)
    if not manifest.scoring.by_token:
        return np.ones(len(chosen.pairs))
    tokens = {query: len(rows) for query, rows in zip(chosen.queries, wanted.outputs, strict=False)}
    return np.array([tokens[query] for query, _ in chosen.pairs], dtype=np.float64)


def _check_shapes(outputs: Sequence[Floats], wanted: Expected) -> None:
    for index, (got, want) in enumerate(zip(outputs, wanted.outputs, strict=True)):
        if got.shape != want.shape:
            raise VerificationError(
                f"Content {index} gives an output of shape {got.shape} where {wanted.model.name} gives {want.shape}: "
                "the tokenizer's file does not say what the tokenizer does.",
                [],
            )


def _size(engine: Engine, wanted: Expected) -> float:
    """How large an output is against which its error counts.

    Embeddings without normalisation have any size, so their error counts in proportion to it. The error of half
    precision's logits grows with them and counts alike. Other logits have to be right whatever their size.
    """
    if engine.manifest.scoring.reads_pairs and not PRECISIONS[engine.graph.precision].half:
        return 1.0
    return max(1.0, float(max(np.abs(want).max() for want in wanted.outputs)))


def _judge(
    found: Verification,
    engine: Engine,
    limit: Limit,
    size: float,
    wanted: Expected,
    scores: Floats,
    score_errors: NDArray[np.float64],
) -> None:
    failures = []
    if not np.isfinite(found.max_abs_error):
        failures.append("it overflows")
    elif found.max_abs_error > limit.max_abs_error * size:
        failures.append(f"its {found.quantity} are {found.max_abs_error:.2g} off ({limit.max_abs_error:g} allowed)")
    if found.score_max_abs_error > limit.score_max_abs_error:
        failures.append(f"its scores are {found.score_max_abs_error:.2g} off ({limit.score_max_abs_error:g} allowed)")
    if np.isnan(found.spearman):
        failures.append("its scores are no ranking, being all the same or no numbers")
    elif found.spearman < limit.spearman:
        failures.append(f"its Spearman correlation is {found.spearman:.4f} ({limit.spearman:g} needed)")
    if failures:
        order = np.argsort(-np.nan_to_num(score_errors, nan=np.inf))[:_WORST]
        pairs = contents(engine.manifest).pairs
        worst = [(" / ".join(map(label, pairs[i])), float(wanted.scores[i]), float(scores[i])) for i in order]
        raise VerificationError(
            f"The {engine.graph.precision} graph strays from {found.reference}: {' and '.join(failures)}.", worst
        )
