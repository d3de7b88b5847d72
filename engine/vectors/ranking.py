"""Puts documents in the order of their scores."""

import numpy as np

from ..arguments import whole
from ..errors import InvalidInput
from ..results import Ranked, Ranking, Scores


def check_top_n(top_n: int | None) -> None:
    """Raises `InvalidInput` for what is no number of documents."""
    top_n = whole(top_n, "top_n")
    if top_n is not None and top_n < 0:
        raise InvalidInput("top_n must be greater than or equal to 0.", "top_n")


def ranked(scored: Scores, top_n: int | None) -> Ranking:
    """The first `top_n` documents by falling score (None or 0: all)."""
    order = np.argsort(-scored.scores, kind="stable")[: top_n or None]
    return Ranking(
        [Ranked(int(index), float(scored.scores[index]), scored.chunks_of(index)) for index in order], scored.tokens
    )
