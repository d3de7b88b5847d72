"""Tells what disk and memory an export needs, before it begins."""

import math
from collections.abc import Sequence
from pathlib import Path

from engine.artifact.precisions import Precision

from .checkpoint.files import Checkpoint
from .checkpoint.weights import count
from .errors import ExportError

# Bytes of a weight. A choice: embedding tables and heads that are left out of a graph may be a fifth of all.
_BYTES: dict[Precision, float] = {"fp32": 4, "fp16": 2, "int8": 1, "int8-fast": 1}
_AT_LEAST = 0.8

# Weights of more bytes in float32 are read from mapped files, whatever memory there is: smaller ones are not worth the
# writing, a choice.
_LARGE = 1_000_000_000

# The peak of an export's own memory, whatever the precision: multiples of the weights in float32, with those in memory
# and in mapped files, and bytes for libraries and texts. Measured stages are below them, the others are estimates
# (docs/benchmarks/log.md, "Export that one can wait for").
_IN_MEMORY = 3.5
_IN_FILES = 2.5
_FIXED = 700_000_000


def artifact_bytes(checkpoint: Checkpoint, precisions: Sequence[Precision]) -> int:
    """About the least that the artifact will have: less than its weights, where some are left out."""
    files = _files(checkpoint)
    if any(file.suffix == ".onnx" for file in files):
        return int(_AT_LEAST * sum(file.stat().st_size for file in files))
    return int(_AT_LEAST * _numbers(checkpoint) * sum(_BYTES[precision] for precision in precisions))


def memory_bytes(weights: int, in_files: bool) -> int:
    """About the most memory of its own that an export has at a time, for `weights` bytes in float32."""
    return _FIXED + int(weights * (_IN_FILES if in_files else _IN_MEMORY))


def weights_in_files(checkpoint: Checkpoint, most: int | None) -> bool:
    """Whether weights are read from mapped files: those of large models, and where there are but `most` bytes for all.

    Raises `ExportError` where even that needs more.
    """
    weights = 4 * _numbers(checkpoint)
    if most is None:
        return weights >= _LARGE
    needed = memory_bytes(weights, in_files=True)
    if needed > most:
        raise ExportError(
            f"The export needs about {math.ceil(needed / 1e6):,} MB of memory for {weights / 1e6:,.0f} MB of weights "
            f"in float32, and --max-memory is {math.floor(most / 1e6):,} MB: give it as much, on a machine that has it."
        )
    return weights >= _LARGE or memory_bytes(weights, in_files=False) > most


def _numbers(checkpoint: Checkpoint) -> int:
    """How many weights the checkpoint's files have."""
    half = "16" in str(checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype"))
    return sum(
        count(file) if file.suffix == ".safetensors" else file.stat().st_size // (2 if half else 4)
        for file in _files(checkpoint)
    )


def _files(checkpoint: Checkpoint) -> list[Path]:
    files = [checkpoint.root / name for name in checkpoint.source.weights]
    return [file for file in files if file.is_file()]
