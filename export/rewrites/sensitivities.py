"""Measures what each product of a graph costs in 8 bits: how far the output moves when only that one is in them."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from engine.arrays import Feeds
from engine.artifact.artifact import PRESENT

from .quantize import Quantize
from .running import running
from .switch import ONLY, Switch

# Choices: as many samples tell products apart that differ much, and a pass of a large model ends in minutes.
_SAMPLES = 8
_SECONDS = 180.0


def costliest_first(
    model: ir.Model, samples: Sequence[Feeds], quantize: Quantize, report: Callable[[int, int], None]
) -> list[str]:
    """The names of all weights that could be in 8 bits, by falling squared error of the outputs.

    The graph, of float32, is rewritten. `report` hears of each product that is measured, and of how many there are.
    """
    switch = Switch()
    quantize(model, samples, switch=switch)
    errors = []
    with running(model) as run:
        chosen = _short(samples)
        began = time.perf_counter()
        wanted = [run({**feeds, ONLY: np.array(-1)}) for feeds in chosen]
        fits = _SECONDS / max(time.perf_counter() - began, 1e-9) / max(1, len(switch.weights))
        chosen = chosen[: max(1, int(fits * len(chosen)))]
        for number in range(len(switch.weights)):
            error = 0.0
            for feeds, want in zip(chosen, wanted, strict=False):
                got = run({**feeds, ONLY: np.array(number)})
                error += sum(float(np.square(got[name] - want[name]).sum()) for name in want if name != PRESENT)
            errors.append(error if np.isfinite(error) else np.inf)
            report(number + 1, len(switch.weights))
    return [switch.weights[place] for place in np.argsort(np.negative(errors), kind="stable")]


def _short(samples: Sequence[Feeds]) -> list[Feeds]:
    """Some of them, of middling lengths: the very short say little, and the long take long."""
    by_length = sorted(samples, key=lambda feeds: sum(array.size for array in feeds.values()))
    middle = by_length[len(by_length) // 4 : (3 * len(by_length) + 3) // 4]
    return middle[:: math.ceil(len(middle) / _SAMPLES)]
