"""Leaves token embeddings in a GPU's memory, as arrays of cupy, so that only scores come back.

These arrays have numpy's methods and numpy's functions take them (NEP 13 and 18), so `InputBuilder.scored`, `Stored`
and the cache are written once for both, and are annotated as numpy's. Unmeasured: written from the documentation of
ONNX Runtime and cupy, and proven where it runs before it is used.
"""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

from ...arrays import Floats
from ...vectors.maxsim import maxsim
from ...vectors.stored import STORES, Stored

Fetch: TypeAlias = Callable[[onnxruntime.OrtValue], Floats]
"""Takes what a run has left on a GPU out of ONNX Runtime's hands."""

_LOGGER = logging.getLogger("scorert")


def token_fetch() -> Fetch:
    """The way of token embeddings `[sequences, tokens, dim]`: to an array of cupy on the GPU, or to numpy's where cupy
    is not installed or does not do the same as numpy."""
    if find_spec("cupy") is None:
        return fetch_to_host
    try:
        prove(lambda rows: _fetch(onnxruntime.OrtValue.ortvalue_from_numpy(rows, "cuda")))
    except Exception as error:
        _LOGGER.warning("Token embeddings are compared on the CPU, since cupy does not work here: %s", error)
        return fetch_to_host
    return _fetch


def fetch_to_host(value: onnxruntime.OrtValue) -> Floats:
    """To an array of numpy's own, which it is not yet where the value is in this machine's memory already."""
    return np.array(value.numpy())


def prove(to_device: Callable[[Floats], Any]) -> None:
    """Compare token embeddings in arrays that `to_device` makes as they are compared when serving, and in numpy's.

    cupy compiles its kernels for that, before anyone waits for them. Raises whatever cupy does, and `ArithmeticError`
    where scores differ.
    """
    random = np.random.default_rng(0)
    query, *documents = (random.standard_normal((tokens, 16), dtype=np.float32) for tokens in (4, 7, 3, 5))
    for store in STORES:
        here, there = (
            maxsim(move(query), [Stored.of(move(rows).take([0, 2], axis=0), store).floats() for rows in documents])
            for move in (np.asarray, to_device)
        )
        if not np.allclose(here, there, rtol=1e-4):
            raise ArithmeticError(f"its scores are {there}, not {here}.")


def on_host(rows: Any) -> Floats:
    """As numpy's array: the same where it is one, and otherwise copied from the GPU."""
    host: Floats = np.asarray(rows if isinstance(rows, np.ndarray | np.generic) else rows.get())
    return host


def _fetch(value: onnxruntime.OrtValue) -> Floats:
    import cupy

    # A run is over when it returns, so they are all there. They are copied, which waits here, because ONNX Runtime
    # gives their memory to its next run as soon as `value` goes, whatever cupy's stream has still to read of it.
    rows: Floats = cupy.from_dlpack(value).copy()
    cupy.cuda.get_current_stream().synchronize()
    return rows
