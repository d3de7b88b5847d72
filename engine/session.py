"""A graph at work: micro-batches in, rows of output out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import providers
from .artifact import Graph
from .job import Job
from .layout import Input
from .scheduler import Batch, Schedule, Scheduler, Waiting

Floats = NDArray[np.float32]


def schedule_for(provider: str, max_batch: int | None, threads: int | None, max_waiting: int | None = None) -> Schedule:
    """The schedule that measured fastest on each provider.

    On a CPU: no padding and no synchronisation at all, one sequence a run on one single-threaded worker a core. On a
    GPU: large micro-batches of like lengths, two workers so that one's copies hide behind the other's kernels.
    """
    if provider == "cpu":
        return Schedule(
            max_sequences=1, max_tokens=1, workers=threads or providers.cores(), threads=1, max_waiting=max_waiting
        )
    return Schedule(
        max_sequences=max_batch or 64, max_tokens=16_384, workers=2, threads=threads or 1, max_waiting=max_waiting
    )


class Session:
    """Runs one graph on one provider. Thread-safe: any number of callers share its workers, as the scheduler has it."""

    def __init__(
        self,
        artifact: Path,
        graph: Graph,
        provider: str,
        pad_token: int,
        schedule: Schedule,
    ) -> None:
        """Open the graph. Raises `ProviderError`."""
        self._session = providers.open_session(artifact / graph.file, provider, graph.precision, schedule.threads)
        self._inputs = {tensor.name for tensor in graph.inputs}
        self._output = graph.outputs[0].name
        self._device = "cpu" if provider == "cpu" else "cuda"
        self._pad_token = pad_token
        self._scheduler = Scheduler(self.run_batch, schedule)

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

    def run(self, inputs: Sequence[Input], job: Job | None = None) -> list[Floats]:
        """The graph's output for each input, in order: a logit `[]`, an embedding `[dim]`, or token embeddings
        `[tokens, dim]` without the rows of padding. Raises as `Scheduler.run`."""
        return self._scheduler.run(inputs, job or Job())

    def run_batch(self, inputs: Sequence[Input]) -> list[Floats]:
        """As `run`, but all in one run of the graph, padded on the right to the longest, on the caller's thread."""
        feeds = self._pad(inputs)
        output = self._session.run([self._output], feeds)[0] if self._device == "cpu" else self._run_bound(feeds)
        if output.ndim == 3:
            return [row[: len(item)] for row, item in zip(output, inputs, strict=True)]
        return list(output)

    def close(self) -> None:
        """Finish what is running and end the workers."""
        self._scheduler.close()

    def _pad(self, inputs: Sequence[Input]) -> dict[str, NDArray[np.int64]]:
        shape = (len(inputs), max(len(item) for item in inputs))
        input_ids = np.full(shape, self._pad_token, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        token_type_ids = np.zeros(shape, dtype=np.int64)
        adapter = np.array([item.adapter for item in inputs], dtype=np.int64)
        for row, item in enumerate(inputs):
            input_ids[row, : len(item)] = item.input_ids
            attention_mask[row, : item.attended] = 1
            token_type_ids[row, : len(item)] = item.token_type_ids
        feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "adapter": adapter,
        }
        return {name: array for name, array in feeds.items() if name in self._inputs}

    def _run_bound(self, feeds: dict[str, NDArray[np.int64]]) -> Floats:
        """Run with inputs and outputs bound, so that ONNX Runtime allocates on the device and copies once each way."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        binding.bind_output(self._output, self._device)
        self._session.run_with_iobinding(binding)
        output: Floats = binding.copy_outputs_to_cpu()[0]
        return output
