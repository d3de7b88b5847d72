"""Keeps the plans that TensorRT makes of a graph (it calls them engines), and says for which runs they are built.

ONNX Runtime builds a plan for explicit ranges of shapes when a session opens, and a run outside them fails. It has
one such profile for all runs: several may be given, but it never leaves the first. So the profile is a box that every
run fits in, up to `Graph.max_batch` sequences of the longest input each, and the box is no larger than the tokens that
the scheduler puts into one run, because TensorRT sets memory aside for its far corner.

Nothing of this has been run on a GPU: it follows ONNX Runtime's documentation and source
(https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...artifact.artifact import Graph, Manifest, Tensor
from .providers import CUDA

_FOLDER = "tensorrt"
# The shapes that kernels are chosen for, a choice: a query's passages, at the length that most have.
_USUAL_SEQUENCES, _USUAL_TOKENS = 32, 128


def longest_input(manifest: Manifest) -> int:
    """How many tokens an input may have: a query may be expanded beyond what truncation leaves."""
    layouts = [layout for layout in (manifest.query, manifest.document) if layout is not None]
    return max(manifest.max_length, *(layout.expand_to or 0 for layout in layouts), 0)


def largest_batch(manifest: Manifest, run_tokens: int) -> int:
    """How many sequences a run may have, so that as many of the longest have `run_tokens` tokens or a single one has
    more."""
    return max(1, min(CUDA.max_sequences, run_tokens // longest_input(manifest)))


@dataclass(frozen=True, slots=True)
class Plans:
    """What TensorRT makes of one graph: a `folder` of files, for runs of up to `sequences` inputs of `tokens` each.

    The files are not part of what an artifact is checked for: they hold only on the kind of GPU, and for the versions
    of ONNX Runtime and TensorRT, that made them, which are in their names; others are made beside them.
    """

    folder: Path
    inputs: Sequence[Tensor]
    sequences: int
    tokens: int

    @classmethod
    def of(cls, artifact: Path, manifest: Manifest, graph: Graph) -> Self:
        """Those of a graph for TensorRT, in the artifact's folder, wherever that is."""
        # ONNX Runtime's names for the files say nothing of the weights, so plans of others would pass for these.
        files = sorted((name, file.sha256) for name, file in manifest.files.items() if name.startswith(graph.file))
        key = hashlib.sha256(repr(files).encode()).hexdigest()[:16]
        assert graph.max_batch is not None, "a graph for TensorRT has a bound"
        return cls(artifact / _FOLDER / key, graph.inputs, graph.max_batch, longest_input(manifest))

    @property
    def files(self) -> dict[str, int]:
        """The plans that are there, by file name, each with when it was written, in nanoseconds."""
        return {path.name: path.stat().st_mtime_ns for path in sorted(self.folder.glob("*.engine"))}

    def options(self) -> dict[str, str | bool]:
        """What ONNX Runtime is told of them.

        CUDA graphs are left off, because they are of one shape, and so is what makes plans run on other kinds of GPU,
        because it makes them slower.
        """
        return {
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(self.folder),
            # Times of kernels, which are measured once for all plans.
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": str(self.folder.parent),
            # With this off, TensorRT computes in the types that the graph has: heads stay in float32.
            "trt_fp16_enable": False,
            "trt_profile_min_shapes": self._shapes(1, 1),
            "trt_profile_opt_shapes": self._shapes(
                min(self.sequences, _USUAL_SEQUENCES), min(self.tokens, _USUAL_TOKENS)
            ),
            "trt_profile_max_shapes": self._shapes(self.sequences, self.tokens),
        }

    def _shapes(self, sequences: int, tokens: int) -> str:
        """Such as "input_ids:32x128,attention_mask:32x128"."""
        sizes = {"batch": sequences, "tokens": tokens}
        shapes = {
            tensor.name: [dim if isinstance(dim, int) else sizes[dim] for dim in tensor.dims] for tensor in self.inputs
        }
        return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
