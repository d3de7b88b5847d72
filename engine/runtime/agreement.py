"""Whether a graph computes the same in two ways."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..artifact import Precision

Floats = NDArray[np.float32]

# How far outputs may be from one another, of the largest number in them or of 1: what an export allows.
_TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 5e-3, "int8": 0.05, "int8-fast": 0.05}


def tolerance(precisions: Sequence[Precision]) -> float:
    """How far the outputs of graphs of these precisions may be from one another."""
    return max(_TOLERANCES[precision] for precision in precisions)


def agree(got: Sequence[Floats], want: Sequence[Floats], tolerance: float) -> bool:
    """Whether rows of output are the same but for `tolerance`, and are numbers."""
    size = max(1.0, *(float(np.abs(row).max()) for row in want))
    return all(
        ours.shape == theirs.shape and bool((np.abs(ours - theirs) <= tolerance * size).all())
        for ours, theirs in zip(got, want, strict=True)
    )
