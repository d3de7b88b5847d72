"""Runs a vision graph on one provider: prepares pixels, feeds them, and cuts what comes back by pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..artifact.artifact import IMAGE_EMBEDDINGS, Graph
from ..images.picture import PictureInput
from ..images.reading import PictureReading
from .checking import check_interface
from .devices.providers import Provider
from .sessions import open_session
from .vision_feeds import fill_vision


class VisionRunner:
    """One vision graph at work. Thread-safe."""

    def __init__(self, artifact: Path, graph: Graph, reading: PictureReading, provider: Provider, threads: int) -> None:
        """Open the graph. A run computes on `threads` threads. Raises `ProviderError`."""
        # The text graph's threads have the same cores (docs/benchmarks/log.md, "Pictures").
        self._session = open_session(artifact / graph.file, provider, threads, shares=True)
        check_interface(self._session, graph, artifact / graph.file)
        self._names = {tensor.name for tensor in graph.inputs}
        (self._output,) = (tensor.name for tensor in graph.outputs)
        self._reading = reading

    def run(self, pictures: Sequence[PictureInput]) -> list[Floats]:
        """Each picture's image embeddings `[levels, rows, dim]`, or its one `[dim]`, in this machine's memory.

        All are in one run. Their pixels are prepared here, on the worker's thread, and let go with it.
        """
        prepared = [self._reading.preprocessing.prepare(picture.image) for picture in pictures]
        feeds = fill_vision(self._names, prepared, self._reading.sides)
        output: Floats = self._session.run([self._output], feeds)[0]
        if self._output != IMAGE_EMBEDDINGS:
            return list(output)
        ends = np.cumsum([picture.rows for picture in pictures])
        # Copies, since a slice would keep the whole run's in memory for as long as one picture is remembered.
        return [rows.copy() for rows in np.split(output, ends[:-1], axis=1)]
