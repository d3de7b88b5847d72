"""A graph at work: micro-batches in, rows of output out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..artifact import FIRST_KEY_LENGTHS, KEY_LENGTHS, PAST, PRESENT, Graph
from ..grouping import places_of
from ..job import Job
from ..text.layout import Input
from ..text.prefix import Ids, Prefix, no_past, shared_prefixes
from . import gpu_arrays, providers
from .agreement import Floats, agree, tolerance
from .cuda_graphs import Recordings, Shape, made_up_inputs
from .scheduler import Batch, Schedule, Scheduler, Waiting, rounded_up
from .tensorrt import Engines

Feeds: TypeAlias = dict[str, NDArray[Any]]
States: TypeAlias = NDArray[Any] | onnxruntime.OrtValue
"""What a graph gives: an array, or where it is in a GPU's memory a handle to it."""

GPU_TOKENS = 16_384
"""The tokens of one run on a GPU."""
# Beyond so many tokens a run on a CPU is no faster for taking in another input.
_CPU_TOKENS = 192
_CPU_SEQUENCES = 16


def schedule_for(provider: str, graph: Graph, threads: int | None, max_waiting: int | None = None) -> Schedule:
    """The schedule that measured fastest on each provider.

    On a CPU: no padding and no synchronisation at all, one sequence a run on one single-threaded worker a core, or
    several short ones of one length, which share what a run costs before its first token. On a GPU: large micro-batches
    of like lengths, two workers so that one's copies hide behind the other's kernels.
    """
    if provider == "cpu":
        return Schedule(
            max_sequences=graph.max_batch or _CPU_SEQUENCES,
            max_tokens=_CPU_TOKENS,
            workers=threads or providers.cores(),
            threads=1,
            max_waiting=max_waiting,
            padded=False,
            multiple=graph.multiple,
        )
    return Schedule(
        max_sequences=graph.max_batch or 64,
        max_tokens=GPU_TOKENS,
        workers=2,
        threads=threads or 1,
        max_waiting=max_waiting,
        multiple=graph.multiple,
    )


def sharing_for(provider: str, graph: Graph) -> int | None:
    """How many tokens a prefix has to save to be worth its own run of the graph; None: no prefixes are shared.

    On a CPU any run takes as long as 8 to 20 tokens more would. On a GPU a prefix also splits batches, which mix them
    otherwise, and so it should save a whole one.
    """
    # Where activations are quantised over a whole run, what is in it changes the score.
    if graph.past is None or graph.max_batch == 1:
        return None
    return 32 if provider == "cpu" else GPU_TOKENS


class Session:
    """Runs one graph on one provider. Thread-safe: any number of callers share its workers, as the scheduler has it."""

    def __init__(
        self,
        artifact: Path,
        graph: Graph,
        provider: str,
        pad_token: int,
        schedule: Schedule,
        share_from: int | None,
        engines: Engines | None = None,
    ) -> None:
        """Open the graph. Raises `ProviderError`.

        Inputs of a call share prefixes that save at least `share_from` tokens; None: they share none. `engines` are
        TensorRT's.
        """
        self._session = providers.open_session(artifact / graph.file, provider, schedule.threads, engines)
        self._inputs = {tensor.name for tensor in graph.inputs}
        self._output = graph.outputs[0].name
        self._device = "cpu" if provider == "cpu" else "cuda"
        # Of a whole text only its one row is compared, which the CPU has done before a GPU has begun.
        embeds_tokens = self._device != "cpu" and len(graph.outputs[0].dims) == 3
        self._fetch: gpu_arrays.Fetch = gpu_arrays.token_fetch() if embeds_tokens else gpu_arrays.fetch_to_host
        self._pad_token = pad_token
        self._share_from = share_from
        self._multiple = graph.multiple
        self._no_past: States | None = None
        if graph.past is not None:
            empty = no_past(graph.past)
            self._no_past = empty if self._device == "cpu" else onnxruntime.OrtValue.ortvalue_from_numpy(empty)
        self._recordings: Recordings | None = None
        self._tolerance = tolerance([graph.precision])
        self._scheduler = Scheduler(self.run_batch, schedule)

    def replay_small_runs(self, recordings: Recordings) -> None:
        """Record all small runs and replay them from now on, before anything runs; for graphs without a past.

        Raises what ONNX Runtime does, and `ArithmeticError` where one gives other rows than a run that is not recorded.
        """
        for shape in recordings.shapes:
            recordings.record(shape, self._pad(made_up_inputs(shape, seed=0), 0, shape))
        for shape in recordings.shapes:
            inputs = made_up_inputs(shape, seed=1)
            want = self.run_batch(inputs)
            got = self._rows(self._replay(recordings, shape, inputs), inputs)
            if not agree(
                [gpu_arrays.on_host(row) for row in got], [gpu_arrays.on_host(row) for row in want], self._tolerance
            ):
                raise ArithmeticError(f"{shape[0]} sequences of {shape[1]} tokens give other values.")
        self._recordings = recordings

    @property
    def waiting(self) -> Waiting:
        """What waits for a worker now."""
        return self._scheduler.waiting

    def on_batch(self, observer: Callable[[Batch], None]) -> None:
        """Have `observer` hear of each run of the graph from now on, on a worker's thread."""
        self._scheduler.on_batch = observer

    def admit(self) -> None:
        """Raises `QueueFull` where nothing more may wait."""
        self._scheduler.admit()

    def share(self, inputs: list[Input], queries: Sequence[str]) -> list[Input]:
        """The inputs of one call, with the prefixes that they share by query."""
        if self._share_from is None:
            return inputs
        prefixes = shared_prefixes([item.input_ids for item in inputs], queries, self._share_from, self._multiple)
        return [replace(item, prefix=prefix) for item, prefix in zip(inputs, prefixes, strict=True)]

    def run(self, inputs: Sequence[Input], job: Job | None = None) -> list[Floats]:
        """The graph's output for each input, in order: a logit `[]`, an embedding `[dim]`, or token embeddings
        `[tokens, dim]` without the rows of padding, on a GPU where `device.token_fetch` leaves them there. Raises as
        `Scheduler.run`."""
        return self._scheduler.run(inputs, job or Job())

    def run_batch(self, inputs: Sequence[Input]) -> list[Floats]:
        """As `run`, but on the caller's thread, and all in one run of the graph, padded on the right to the longest
        and to the graph's multiple.

        Inputs with a prefix are in a run for each, with one more for the prefix itself the first time.
        """
        rows: dict[int, Floats] = {}
        for prefix, places in places_of(item.prefix for item in inputs).items():
            rows |= zip(places, self._run_alike([inputs[place] for place in places], prefix), strict=True)
        return [rows[place] for place in range(len(inputs))]

    def close(self) -> None:
        """Finish what is running and end the workers."""
        self._scheduler.close()
        if self._recordings is not None:
            self._recordings.close()

    def _run_alike(self, inputs: Sequence[Input], prefix: Prefix | None) -> list[Floats]:
        if self._recordings is not None:
            shape = self._recordings.shape_for(len(inputs), max(len(item) for item in inputs))
            if shape is not None:
                return self._rows(self._replay(self._recordings, shape, inputs), inputs)
        feeds = self._pad(inputs, 0 if prefix is None else len(prefix))
        past = self._no_past if prefix is None else prefix.states(self._read)
        output = self._run(feeds, past, self._output)
        return self._rows(output if isinstance(output, np.ndarray) else self._fetch(output), inputs)

    def _replay(self, recordings: Recordings, shape: Shape, inputs: Sequence[Input]) -> Floats:
        return recordings.replay(shape, self._pad(inputs, 0, shape), self._fetch)[: len(inputs)]

    def _rows(self, output: Floats, inputs: Sequence[Input]) -> list[Floats]:
        """Those of the inputs, without padding's."""
        if output.ndim == 3:
            return [row[: len(item)] for row, item in zip(output, inputs, strict=True)]
        return list(output)

    def _read(self, ids: Ids) -> States:
        feeds = self._pad([Input(ids, np.zeros_like(ids), len(ids))], 0)
        return self._run(feeds, self._no_past, PRESENT)

    def _run(self, feeds: Feeds, past: States | None, name: str) -> States:
        """The output `name`, which stays where the provider has its memory."""
        if self._device != "cpu":
            return self._run_bound(feeds, past, name)
        output: States = self._session.run([name], feeds if past is None else feeds | {PAST: past})[0]
        return output

    def _pad(self, inputs: Sequence[Input], begin: int, shape: Shape | None = None) -> Feeds:
        """What the graph is fed of the inputs from their token `begin` on; of a `shape` with room for more of them."""
        shape = shape or (len(inputs), rounded_up(max(len(item) for item in inputs) - begin, self._multiple))
        input_ids = np.full(shape, self._pad_token, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        token_type_ids = np.zeros(shape, dtype=np.int64)
        adapter = np.zeros(shape[0], dtype=np.int64)
        # Sequences that are nobody's attend to something, too.
        attention_mask[len(inputs) :, 0] = 1
        for row, item in enumerate(inputs):
            input_ids[row, : len(item) - begin] = item.input_ids[begin:]
            attention_mask[row, : item.attended - begin] = 1
            token_type_ids[row, : len(item) - begin] = item.token_type_ids[begin:]
            adapter[row] = item.adapter
        feeds: Feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "adapter": adapter,
        }
        feeds = {name: array for name, array in feeds.items() if name in self._inputs}
        for name, queries in ((KEY_LENGTHS, shape[1]), (FIRST_KEY_LENGTHS, 1)):
            if name in self._inputs:
                feeds[name] = _key_lengths(attention_mask, queries)
        return feeds

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


def _key_lengths(attention_mask: NDArray[np.int64], queries: int) -> NDArray[np.int32]:
    """`Graph`'s lengths of keys, with so many queries a sequence."""
    sequences, tokens = attention_mask.shape
    places = np.arange(sequences + 1)
    return np.concatenate([attention_mask.sum(axis=1), places * queries, places * tokens]).astype(np.int32)
