"""Asks the reference what graphs must give, for as many contents as there is time for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from engine.arrays import Feeds, Floats
from engine.artifact.artifact import Manifest
from engine.content import ReadContent
from engine.progress import Report, part, unheard
from engine.vectors.similarity import sigmoid

from ..errors import ExportError
from .choosing import LEAST, Pair, Work, as_many_as_fit
from .contents import Contents, contents
from .reference import ReferenceModel, Scorer
from .texts import texts

BUDGET_SECONDS = 180.0
"""What the reference may take, and each graph again, unless a user says otherwise: a choice."""

# Beside the largest: what batches of other sizes change in float32.
_SAME = 1e-6

Key: TypeAlias = Pair | tuple[str, ReadContent]
"""What an output is of: a pair, or a content in a role."""


@dataclass(frozen=True)
class Expected:
    """The reference's answers for `contents`, and how long it took for them in seconds.

    `rows` are what a graph returns of each pair or content, `of_pairs` the scores. `why` says why there are no more.
    """

    model: ReferenceModel
    contents: Contents
    keys: Sequence[Key]
    rows: Mapping[Key, Floats]
    of_pairs: Mapping[Pair, float]
    seconds: float
    why: str | None = None

    @property
    def outputs(self) -> list[Floats]:
        return [self.rows[key] for key in self.keys]

    @property
    def scores(self) -> Floats:
        """float32 `[pairs]`."""
        return np.array([self.of_pairs[pair] for pair in self.contents.pairs], dtype=np.float32)

    @property
    def dimension(self) -> int | None:
        """The width of an embedding; None for logits."""
        first = self.rows[self.keys[0]]
        return first.shape[-1] if first.ndim else None

    def of(self, chosen: Contents, manifest: Manifest, seconds: float) -> "Expected":
        """The answers for a part of the contents, which is what a graph has time for."""
        why = _why(chosen, manifest, "the graph", seconds)
        return replace(self, contents=chosen, keys=keys_of(chosen, manifest), why=why)


def expected(reference: Scorer, manifest: Manifest, seconds: float | None = None, report: Report = unheard) -> Expected:
    """Run the reference on every content, or every pair for a cross-encoder; or on what there are `seconds` for."""
    everything = chosen = contents(manifest)
    asked = _Asked(reference, manifest)
    reached = 0.0

    def tell(done: float, of: float) -> None:
        nonlocal reached
        reached = done / of
        report(done, of)

    if seconds is not None:
        chosen = as_many_as_fit(everything, Work(manifest), asked.ask, seconds, tell)
    if chosen is everything:
        # Anew, as one call, so that no batch depends on how long the first pairs took.
        asked.rows.clear()
    began = time.perf_counter()
    asked.ask(chosen, part(report, reached, 1))
    took = time.perf_counter() - began
    keys = keys_of(chosen, manifest)
    if manifest.scoring.reads_pairs:
        scores = activated(np.array([asked.rows[key] for key in keys], np.float32), manifest).tolist()
    else:
        scores = [
            _similarity(asked.rows["query", query], asked.rows["document", document], manifest)
            for query, document in chosen.pairs
        ]
    of_pairs = dict(zip(chosen.pairs, scores, strict=True))
    _require_ranking(np.array([asked.rows[key] for key in keys]) if manifest.scoring.reads_pairs else np.array(scores))
    why = None if seconds is None else _why(chosen, manifest, reference.model.name, seconds)
    return Expected(reference.model, chosen, keys, asked.rows, of_pairs, took, why)


def _require_ranking(scores: Floats) -> None:
    """Raise `ExportError` for a checkpoint that ranks nothing, before any graph of it is blamed for that."""
    if not np.isfinite(scores).all():
        raise ExportError(
            "The checkpoint itself gives scores that are no numbers: its weights or settings are damaged, so fetch its "
            "files again."
        )
    if np.ptp(scores) <= _SAME * max(1.0, float(np.abs(scores).max())):
        raise ExportError(
            "The checkpoint itself gives all texts the same score: its classifier or projection is all zeros or was "
            "never trained, or config.json has a setting that it was not trained with (such as is_decoder)."
        )


class _Asked:
    """Asks the reference, and for each output once."""

    def __init__(self, reference: Scorer, manifest: Manifest) -> None:
        self.rows: dict[Key, Floats] = {}
        self._reference = reference
        self._manifest = manifest

    def ask(self, chosen: Contents, report: Report = unheard) -> None:
        new = [key for key in keys_of(chosen, self._manifest) if key not in self.rows]
        if self._manifest.scoring.reads_pairs:
            self.rows |= zip(new, self._reference.logits(new, report), strict=True) if new else ()
            return
        for role in ("query", "document"):
            own = [key for key in new if key[0] == role]
            if own:
                contents = [content for _, content in own]
                self.rows |= zip(own, self._reference.embeddings(contents, role, report), strict=True)


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


def activated(logits: Floats, manifest: Manifest) -> Floats:
    """The scores of logits."""
    return sigmoid(logits) if manifest.activation == "sigmoid" else logits


def keys_of(chosen: Contents, manifest: Manifest) -> Sequence[Key]:
    """What outputs are of, in their order."""
    if manifest.scoring.reads_pairs:
        return chosen.pairs
    return [
        *(("query", query) for query in chosen.queries),
        *(("document", document) for document in chosen.documents),
    ]


def _similarity(query: Floats, document: Floats, manifest: Manifest) -> float:
    if manifest.scoring.by_token:
        return float(np.einsum("sh,th->st", query, document).max(axis=1).sum())
    if manifest.similarity == "cosine":
        return float(query @ document / (np.linalg.norm(query) * np.linalg.norm(document)))
    return float(query @ document)


def _why(part: Contents, manifest: Manifest, slow: str, seconds: float) -> str | None:
    """Why a part is not everything, as a clause."""
    chosen, of = len(part.pairs), len(contents(manifest).pairs)
    if chosen == of:
        return None
    reason = f"all would take {slow} more than {seconds / 60:g} min"
    fewest = " (and fewer than these are never taken)" if chosen <= LEAST else ""
    return (
        f"{chosen} of {of} pairs: the longest, the shortest, one of each script and others of all lengths, since "
        f"{reason}{fewest}"
    )
