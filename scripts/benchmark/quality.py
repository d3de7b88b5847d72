"""Measures how far a contender's logits are from the reference's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from .contenders import Floats, Scorer
from .workload import Request


@dataclass(frozen=True, slots=True)
class Quality:
    """Errors are absolute, in logits. `spearman` is over all pairs, `spearman_per_query` the mean over queries."""

    max_error: float
    mean_error: float
    spearman: float
    spearman_per_query: float


def score_all(score: Scorer, requests: Sequence[Request]) -> list[Floats]:
    return [score(request) for request in requests]


def compare(logits: Sequence[Floats], reference: Sequence[Floats]) -> Quality:
    """Both have one array of logits for each query."""
    errors = np.abs(np.concatenate(logits) - np.concatenate(reference))
    ranks = [spearmanr(mine, theirs).statistic for mine, theirs in zip(logits, reference, strict=True)]
    return Quality(
        max_error=float(errors.max()),
        mean_error=float(errors.mean()),
        spearman=float(spearmanr(np.concatenate(logits), np.concatenate(reference)).statistic),
        spearman_per_query=float(np.mean(ranks)),
    )
