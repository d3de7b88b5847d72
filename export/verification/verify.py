"""Measures how far a graph strays from its reference, and refuses one that strays further than its limit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from engine import Engine
from engine.arrays import Floats
from engine.artifact.artifact import TOKENIZER, Graph, Manifest, Role, Verification
from engine.content import Content, Pictured, ReadContent, Text
from engine.progress import Report, parts, unheard
from engine.prompts.template import ScoreTemplate
from engine.runtime.devices.providers import CPU, TENSORRT, Provider
from engine.runtime.devices.tensorrt import Plans
from engine.runtime.machine.cores import cores
from engine.runtime.opened import Opened, OpenedVision
from engine.runtime.scheduler import Schedule
from engine.runtime.workers import Batch
from engine.text.tokenizer import Tokenizer

from ..errors import VerificationError
from ..precisions import PRECISIONS, Limit
from .choosing import LEAST, Work, as_many_as_fit, first
from .contents import Contents, label
from .expected import Expected, activated, keys_of

# A choice: as many pairs as one looks at.
_WORST = 5

# How much slower than its reference a graph is taken to be at most: a choice. One that is in time even so is measured
# at once.
_SLOWER = 4

# Choices: as often as a busy machine needs, and no longer than one waits for it.
_TURNS, _TURNS_SECONDS = 8, 20.0


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """An artifact whose graphs no manifest lists yet, with what all of them are run with."""

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer
    template: ScoreTemplate | None

    @classmethod
    def of(cls, folder: Path, manifest: Manifest) -> Self:
        tokenizer = Tokenizer(folder / TOKENIZER)
        return cls(folder, manifest, tokenizer, ScoreTemplate.of(folder, manifest, tokenizer))

    def open(
        self,
        graph: Graph,
        vision: Graph | None,
        provider: Provider,
        schedule: Schedule,
        least: int | None,
        plans: Plans | None = None,
    ) -> Engine:
        """An engine of a graph, with the vision graph that goes with it."""
        opened = Opened.of(self.folder, self.manifest, graph, provider, schedule, least, plans)
        seeing = None
        if vision is not None:
            seeing = OpenedVision.of(self.folder, self.manifest, vision, CPU, CPU.vision_schedule(vision, None))
        return Engine(self.manifest, opened, self.tokenizer, self.template, vision=seeing)


def verify(
    folder: Path,
    manifest: Manifest,
    graph: Graph,
    wanted: Expected,
    limit: Limit,
    plans: Plans | None = None,
    vision: Graph | None = None,
    seconds: float | None = None,
    report: Report = unheard,
) -> Verification:
    """Compare a graph in `folder` with its reference, as a CPU runs it and, where the graph may be, in padded batches.

    Where inputs may share prefixes they do so both times, and once more in padded batches they do not. With TensorRT's
    `plans` of the graph it runs on those, in the batches they are served in. What would take more than `seconds` is cut
    down to a part of what the reference has answered.
    Raises `VerificationError` past the limit.
    """
    artifact = _Unlisted.of(folder, manifest)
    provider = CPU if plans is None else TENSORRT
    ways = _ways(graph) if plans is None else [(provider.schedule(graph, None), None)]
    found: list[Verification] = []
    # A graph that may take too long has a turn more, which tells its pace.
    bound = seconds if seconds is not None and _SLOWER * len(ways) * wanted.seconds > seconds else None
    turns = parts(report, len(ways) + (bound is not None))
    for schedule, least in ways:
        engine = artifact.open(graph, vision, provider, schedule, least, plans)
        try:
            if bound is not None and not found:
                wanted = _affordable(engine, wanted, bound, len(ways), next(turns))
            engine.on_batch(_Counted(next(turns), wanted.contents, manifest))
            found.append(_measure(engine, wanted, limit))
        finally:
            engine.close()
            # Or weights would be in memory twice while the next is opened.
            del engine
    return max(found, key=lambda verification: verification.max_abs_error)


def _affordable(engine: Engine, wanted: Expected, seconds: float, ways: int, report: Report) -> Expected:
    """What the graph is compared for, several ways, within `seconds`."""

    def run(chosen: Contents, told: Report) -> None:
        engine.on_batch(_Counted(told, chosen, engine.manifest))
        _run(engine, chosen)

    chosen = as_many_as_fit(wanted.contents, Work(engine.manifest), run, seconds / ways, report)
    whole = len(chosen.pairs) == len(wanted.contents.pairs)
    return wanted if whole else wanted.of(chosen, engine.manifest, seconds)


class _Counted:
    """Reports the batches of a run of contents."""

    def __init__(self, report: Report, contents: Contents, manifest: Manifest) -> None:
        # Embedders compute their outputs, and then once more for the scores.
        runs = 1 if manifest.scoring.reads_pairs else 2
        self._report = report
        self._done, self._of = 0, len(keys_of(contents, manifest)) * runs

    def __call__(self, batch: Batch) -> None:
        self._done += batch.sequences
        self._report(self._done, self._of)


def seconds_of(
    folder: Path, manifest: Manifest, pairs: Sequence[tuple[Graph, Graph | None]], wanted: Expected
) -> list[float]:
    """How long text graphs, each with its vision graph where it has one, take for the contents that matter most.

    They take turns, and of each the fastest counts.
    """
    chosen = first(wanted.contents, LEAST, Work(manifest))
    seconds = [np.inf] * len(pairs)
    artifact = _Unlisted.of(folder, manifest)
    engines = [artifact.open(graph, vision, CPU, *_ways(graph)[0]) for graph, vision in pairs]
    try:
        started = time.perf_counter()
        for turn in range(_TURNS):
            if turn and time.perf_counter() - started > _TURNS_SECONDS:
                break
            for place, engine in enumerate(engines):
                began = time.perf_counter()
                _run(engine, chosen)
                seconds[place] = min(seconds[place], time.perf_counter() - began)
    finally:
        for engine in engines:
            engine.close()
    return seconds


def _ways(graph: Graph) -> list[tuple[Schedule, int | None]]:
    """Schedules on the CPU, each with the least that a shared prefix saves."""
    share_from = CPU.shares_from(graph)
    ways = [(CPU.schedule(graph, None), share_from)]
    if graph.max_batch is None:
        # A choice: batches as mixed as a GPU's, which take less memory than the weights of a large model.
        padded = Schedule(max_sequences=16, max_tokens=4_096, workers=1, threads=cores())
        ways += [(padded, least) for least in dict.fromkeys([None, share_from])]
    return ways


def _measure(engine: Engine, wanted: Expected, limit: Limit) -> Verification:
    outputs, scores = _run(engine, wanted.contents)
    _check_shapes(outputs, wanted)
    errors = [np.abs(got - want) for got, want in zip(outputs, wanted.outputs, strict=True)]
    flat = np.concatenate([np.ravel(error) for error in errors])
    score_errors = np.abs(scores - wanted.scores) / _query_tokens(engine.manifest, wanted)
    verification = Verification(
        reference=f"{wanted.model.name} {wanted.model.version}",
        texts=len(wanted.keys),
        why=wanted.why,
        quantity=engine.manifest.scoring.output.replace("_", " "),
        max_abs_error=float(flat.max()),
        mean_abs_error=float(flat.mean()),
        score_max_abs_error=float(score_errors.max()),
        # Of scores that are all the same there is none, which scipy warns of.
        spearman=float(spearmanr(scores, wanted.scores).statistic)
        if np.ptp(scores) and np.ptp(wanted.scores)
        else np.nan,
    )
    size = _size(engine, wanted)
    _judge(verification, engine, limit, size, wanted, scores, score_errors)
    return verification


def _run(engine: Engine, chosen: Contents) -> tuple[Sequence[Floats], Floats]:
    queries, documents = zip(*((_given(query), _given(document)) for query, document in chosen.pairs), strict=True)
    if engine.manifest.scoring.reads_pairs:
        logits = engine.score(queries, documents, use_activation=False, truncate_prompt_tokens=-1).scores
        return list(logits), activated(logits, engine.manifest)
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


def _query_tokens(manifest: Manifest, wanted: Expected) -> NDArray[np.float64]:
    """MaxSim adds a similarity a query token, so its error is taken a token; other scores are one number."""
    chosen = wanted.contents
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
        failures.append(f"its {found.quantity} are {found.max_abs_error:.3g} off ({limit.max_abs_error:g} allowed)")
    if found.score_max_abs_error > limit.score_max_abs_error:
        failures.append(f"its scores are {found.score_max_abs_error:.3g} off ({limit.score_max_abs_error:g} allowed)")
    if np.isnan(found.spearman):
        failures.append("its scores are no ranking, being all the same or no numbers")
    elif found.spearman < limit.spearman:
        failures.append(f"its Spearman correlation is {found.spearman:.4f} ({limit.spearman:g} needed)")
    if failures:
        order = np.argsort(-np.nan_to_num(score_errors, nan=np.inf))[:_WORST]
        pairs = wanted.contents.pairs
        worst = [(" / ".join(map(label, pairs[i])), float(wanted.scores[i]), float(scores[i])) for i in order]
        raise VerificationError(
            f"The {engine.graph.precision} graph strays from {found.reference}: {' and '.join(failures)}.",
            worst,
            " and ".join(failures),
        )
