"""Records small runs on a GPU as CUDA graphs, which are launched at once instead of kernel by kernel.

A recording is of one shape, and reads and writes where it did when it was made: inputs are padded to one of a few
shapes, and copied there. ONNX Runtime keeps recordings by thread and lends their memory to other runs of their session
(https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview), so they have a
thread and a session to themselves. Making one disturbs whatever else the process does on the GPU, so all are made
before anything else runs.

Unmeasured. A kernel that reads what the host had in memory while it was recorded goes wrong later and not at once, as
some of ONNX Runtime's did (https://github.com/microsoft/onnxruntime/pull/32121): so each recording has to prove itself
after all the others were made, and all this is off unless it is asked for.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import onnxruntime

from ...arrays import Feeds
from ...text.layout import Input
from ..feeds import Shape

Taken = TypeVar("Taken")

SHAPES: list[Shape] = [
    (sequences, tokens) for sequences in (1, 2, 4, 8, 16, 24, 32) for tokens in (16, 32, 48, 64, 96, 128)
]
"""The shapes that are recorded, `(sequences, tokens)`. Predicted, not measured: beyond these, kernels take longer than
launching them (docs/benchmarks/log.md, "On a GPU")."""


def made_up_inputs(shape: Shape, seed: int) -> list[Input]:
    """Inputs that the shape has room for."""
    random = np.random.default_rng((seed, *shape))
    lengths = random.integers(2, shape[1] + 1, random.integers(1, shape[0] + 1))
    # Every vocabulary has these 64 tokens.
    ids = [random.integers(64, size=length) for length in lengths]
    return [Input(own, np.zeros_like(own), len(own)) for own in ids]


class Recordings:
    """One graph's runs, recorded for every one of `shapes`. Thread-safe: they take turns."""

    def __init__(
        self, session: onnxruntime.InferenceSession, output: str, device: str, shapes: Sequence[Shape]
    ) -> None:
        """`session` is opened to record (`enable_cuda_graph`), and used by nothing else."""
        self.shapes = shapes
        self._session = session
        self._output = output
        self._device = device
        self._bound: dict[Shape, _Bound] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scorert-recordings")

    def shape_for(self, sequences: int, tokens: int) -> Shape | None:
        """The smallest shape that holds `sequences` of up to `tokens` each; None where there is none."""
        holding = [shape for shape in self.shapes if shape[0] >= sequences and shape[1] >= tokens]
        return min(holding, key=math.prod, default=None)

    def record(self, shape: Shape, feeds: Feeds) -> None:
        """Record the run of feeds that are padded to a shape. Raises whatever ONNX Runtime does."""
        self._thread.submit(self._record, shape, feeds).result()

    def replay(self, shape: Shape, feeds: Feeds, take: Callable[[onnxruntime.OrtValue], Taken]) -> Taken:
        """What `take` makes of the output for other feeds of a shape: a copy, because the next replay writes there."""
        return self._thread.submit(self._replay, shape, feeds, take).result()

    def close(self) -> None:
        self._thread.shutdown()

    def _record(self, shape: Shape, feeds: Feeds) -> None:
        bound = _Bound(self._session, feeds, self._output, self._device, number=len(self._bound) + 1)
        bound.run()
        self._bound[shape] = bound

    def _replay(self, shape: Shape, feeds: Feeds, take: Callable[[onnxruntime.OrtValue], Taken]) -> Taken:
        bound = self._bound[shape]
        bound.write(feeds)
        bound.run()
        return take(bound.output)


class _Bound:
    """A shape's places on the device for inputs and for the output."""

    def __init__(
        self, session: onnxruntime.InferenceSession, feeds: Feeds, output: str, device: str, number: int
    ) -> None:
        self._session = session
        self._inputs = {name: onnxruntime.OrtValue.ortvalue_from_numpy(feed, device) for name, feed in feeds.items()}
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_output(output, device)
        # Not recorded: it says how large the output is.
        session.run_with_iobinding(self._binding, _numbered(-1))
        self.output = self._binding.get_outputs()[0]
        self._binding.bind_ortvalue_output(output, self.output)
        self._options = _numbered(number)

    def write(self, feeds: Feeds) -> None:
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(feeds[name]))

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding, self._options)


def _numbered(number: int) -> onnxruntime.RunOptions:
    """Options of a run that is recorded under a number the first time, and replayed then; -1: neither."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options
