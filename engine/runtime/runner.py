"""Runs one graph on one provider: pads inputs, feeds them, and cuts rows out of what comes back. It has no queue."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..arrays import Feeds, Floats, Ids
from ..artifact.artifact import IMAGE_EMBEDDINGS, PAST, PRESENT, Graph
from ..artifact.precisions import tolerance
from ..grouping import places_of
from ..text.layout import Input
from ..text.prefix import Prefix, no_past, shared_prefixes
from .agreement import agree
from .checking import check_interface
from .devices import gpu_arrays
from .devices.cuda_graphs import Recordings, made_up_inputs
from .devices.providers import Provider
from .devices.tensorrt import Plans
from .feeds import Run, Shape, fill
from .scheduler import rounded_up
from .sessions import open_session

States: TypeAlias = NDArray[Any] | onnxruntime.OrtValue
"""What a graph gives: an array, or where it is in a GPU's memory a handle to it."""


class Runner:
    """One graph at work. Thread-safe."""

    def __init__(
        self,
        artifact: Path,
        graph: Graph,
        output: str,
        provider: Provider,
        pad_token: int,
        threads: int,
        share_from: int | None,
        plans: Plans | None = None,
    ) -> None:
        """Open the graph for its output of that name. Raises `ProviderError`, and `ArtifactError` for another graph.

        A run computes on `threads` threads. Inputs of a call share prefixes that save at least `share_from` tokens;
        None: they share none. `plans` are TensorRT's.
        """
        self._session = open_session(artifact / graph.file, provider, threads, plans)
        check_interface(self._session, graph, artifact / graph.file)
        self._names = {tensor.name for tensor in graph.inputs}
        self._no_picture = _no_picture(graph)
        self._output = output
        self._device = provider.device
        self._on_gpu = provider.on_gpu
        # Pooled embeddings are compared on the CPU: one row a text is too little work for a GPU.
        embeds_tokens = self._on_gpu and len(graph.output(output).dims) == 3
        self._fetch: gpu_arrays.Fetch = gpu_arrays.token_fetch() if embeds_tokens else gpu_arrays.fetch_to_host
        self._pad_token = pad_token
        self._share_from = share_from
        self._multiple = graph.multiple
        self._no_past: States | None = None
        if graph.past is not None:
            empty = no_past(graph.past)
            self._no_past = onnxruntime.OrtValue.ortvalue_from_numpy(empty) if self._on_gpu else empty
        self._recordings: Recordings | None = None
        self._tolerance = tolerance([graph.precision])

    def replay_small_runs(self, recordings: Recordings) -> None:
        """Record all small runs and replay them from now on, before anything runs; for graphs without a past.

        Raises what ONNX Runtime does, and `ArithmeticError` where one gives other rows than a run that is not recorded.
        """
        for shape in recordings.shapes:
            recordings.record(shape, self._feeds(made_up_inputs(shape, seed=0), 0, shape))
        for shape in recordings.shapes:
            inputs = made_up_inputs(shape, seed=1)
            want = self.run(inputs)
            got = self._rows(self._replay(recordings, shape, inputs), inputs)
            got, want = ([gpu_arrays.on_host(row) for row in rows] for rows in (got, want))
            if not agree(got, want, self._tolerance):
                raise ArithmeticError(f"{shape[0]} sequences of {shape[1]} tokens give other values.")
        self._recordings = recordings

    def share(self, inputs: list[Input], queries: Sequence[Hashable]) -> list[Input]:
        """The inputs of one call, with the prefixes that they share by query."""
        if self._share_from is None:
            return inputs
        # A prefix ends before the first picture: other pictures may have the same placeholders.
        shared = [item.input_ids if item.placed is None else item.input_ids[: item.placed.first] for item in inputs]
        prefixes = shared_prefixes(shared, queries, self._share_from, self._multiple)
        return [replace(item, prefix=prefix) for item, prefix in zip(inputs, prefixes, strict=True)]

    def run(self, inputs: Sequence[Input]) -> list[Floats]:
        """The graph's output for each input, in order: a logit `[]`, an embedding `[dim]`, or token embeddings
        `[tokens, dim]` without the rows of padding, on a GPU where `gpu_arrays.token_fetch` leaves them there.

        All are in one run, padded on the right to the longest and to the graph's multiple; but inputs with a prefix are
        in a run for each, with one more for the prefix itself the first time.
        """
        rows: dict[int, Floats] = {}
        for prefix, places in places_of(item.prefix for item in inputs).items():
            rows |= zip(places, self._run_alike([inputs[place] for place in places], prefix), strict=True)
        return [rows[place] for place in range(len(inputs))]

    def close(self) -> None:
        """End the thread of recordings. Nothing may run any more."""
        if self._recordings is not None:
            self._recordings.close()

    def _run_alike(self, inputs: Sequence[Input], prefix: Prefix | None) -> list[Floats]:
        if self._recordings is not None:
            shape = self._recordings.shape_for(len(inputs), max(len(item) for item in inputs))
            if shape is not None:
                return self._rows(self._replay(self._recordings, shape, inputs), inputs)
        feeds = self._feeds(inputs, 0 if prefix is None else len(prefix))
        past = self._no_past if prefix is None else prefix.states(self._read)
        output = self._run(feeds, past, self._output)
        return self._rows(output if isinstance(output, np.ndarray) else self._fetch(output), inputs)

    def _replay(self, recordings: Recordings, shape: Shape, inputs: Sequence[Input]) -> Floats:
        return recordings.replay(shape, self._feeds(inputs, 0, shape), self._fetch)[: len(inputs)]

    def _rows(self, output: Floats, inputs: Sequence[Input]) -> list[Floats]:
        """Those of the inputs, without padding's, which is on the right."""
        if output.ndim == 3:
            return [row[: len(item)] for row, item in zip(output, inputs, strict=True)]
        return list(output)

    def _read(self, ids: Ids) -> States:
        """The keys and values of a prefix."""
        feeds = self._feeds([Input(ids, np.zeros_like(ids), len(ids))], 0)
        return self._run(feeds, self._no_past, PRESENT)

    def _feeds(self, inputs: Sequence[Input], begin: int, shape: Shape | None = None) -> Feeds:
        """The feeds for the inputs from their token `begin` on; of a `shape` with room for more of them."""
        shape = shape or (len(inputs), rounded_up(max(len(item) for item in inputs) - begin, self._multiple))
        return fill(self._names, Run(inputs, begin, shape, self._pad_token, self._no_picture))

    def _run(self, feeds: Feeds, past: States | None, name: str) -> States:
        """The output `name`, which stays where the provider has its memory."""
        if self._on_gpu:
            return self._run_bound(feeds, past, name)
        output: States = self._session.run([name], feeds if past is None else feeds | {PAST: past})[0]
        return output

    def _run_bound(self, feeds: Feeds, past: States | None, name: str) -> onnxruntime.OrtValue:
        """Run with inputs and outputs bound, so that ONNX Runtime allocates on the device and copies once each way."""
        binding = self._session.io_binding()
        for feed, array in feeds.items():
            binding.bind_cpu_input(feed, array)
        if past is not None:
            binding.bind_ortvalue_input(PAST, past)
        binding.bind_output(name, self._device)
        self._session.run_with_iobinding(binding)
        return binding.get_outputs()[0]


def _no_picture(graph: Graph) -> Floats | None:
    """The row that tokens of text read; None for a graph that reads text alone."""
    table = next((tensor for tensor in graph.inputs if tensor.name == IMAGE_EMBEDDINGS), None)
    if table is None:
        return None
    levels, _, dim = table.dims
    return np.zeros((int(levels), 1, int(dim)), np.float32)
