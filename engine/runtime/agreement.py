"""Judges whether a graph computes the same in two ways."""

from collections.abc import Sequence

import numpy as np

from ..arrays import Floats


def agree(got: Sequence[Floats], want: Sequence[Floats], tolerance: float) -> bool:
    """Whether rows of output are numbers, and the same but for `tolerance` of the largest in `want`, or of 1."""
    size = max(1.0, *(float(np.abs(row).max()) for row in want))
    return all(
        ours.shape == theirs.shape and bool((np.abs(ours - theirs) <= tolerance * size).all())
        for ours, theirs in zip(got, want, strict=True)
    )
