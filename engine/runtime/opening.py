"""Opening an artifact's graph on the provider that was asked for, on one to fall back to, or on the fastest."""

import gc
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..artifact import Graph, Manifest, select_graph
from ..errors import ArtifactError, ProviderError
from . import providers
from .agreement import tolerance
from .choosing import choose, made_up_request
from .cuda_graphs import SHAPES, Recordings
from .session import Session, schedule_for, sharing_for
from .tensorrt import Engines

_LOGGER = logging.getLogger("scorert")


@dataclass(frozen=True, slots=True)
class Opened:
    """A graph at work. `paces` are inputs a second by provider where several were tried, the fastest first."""

    graph: Graph
    provider: str
    session: Session
    paces: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opener:
    """What is the same on every provider. `precision` None is the artifact's first graph for each.

    With `cuda_graphs` small runs are recorded where the provider is CUDA.
    """

    folder: Path
    manifest: Manifest
    precision: str | None = None
    threads: int | None = None
    max_waiting: int | None = None
    cuda_graphs: bool = False

    def open(self, preference: str, vocabulary: int) -> Opened:
        """On the first of several providers with commas that starts, or on the fastest for "auto".

        `vocabulary` is how many token ids the fastest may be tried with. Raises `ArtifactError` and `ProviderError`.
        """
        if preference == providers.AUTO:
            return self._fastest(vocabulary)
        *preferred, last = providers.built_in(preference)
        for name in preferred:
            with suppress(ProviderError):
                return Opened(self._graph(name), name, self._session(name))
        return Opened(self._graph(last), last, self._session(last))

    def _fastest(self, vocabulary: int) -> Opened:
        graphs = {name: self._graph(name) for name in providers.installed() if self._is_ready(name)}
        choice = choose(
            {name: partial(self._session, name) for name in graphs},
            made_up_request(self.manifest, vocabulary),
            tolerance([graph.precision for graph in graphs.values()]),
        )
        # A session and its scheduler refer to each other, and those that lost may hold gigabytes.
        gc.collect()
        return Opened(graphs[choice.provider], choice.provider, choice.session, choice.paces)

    def _is_ready(self, provider: str) -> bool:
        """Whether it can start at once: TensorRT would build what is not there, for minutes."""
        if provider != "tensorrt":
            return True
        try:
            return bool(Engines.of(self.folder, self.manifest, self._graph(provider)).files)
        except (ArtifactError, ProviderError):
            return False

    def _graph(self, provider: str) -> Graph:
        return select_graph(self.manifest, self.precision, provider)

    def _session(self, provider: str) -> Session:
        graph = self._graph(provider)
        session = Session(
            self.folder,
            graph,
            provider,
            self.manifest.pad_token,
            schedule_for(provider, graph, self.threads, self.max_waiting),
            sharing_for(provider, graph),
            Engines.of(self.folder, self.manifest, graph) if provider == "tensorrt" else None,
        )
        if self.cuda_graphs and provider == "cuda":
            self._record(session, graph)
        return session

    def _record(self, session: Session, graph: Graph) -> None:
        """What cannot be recorded runs as it would otherwise."""
        try:
            if graph.past is not None:
                raise ValueError("the model computes what prompts share once, in runs of their own.")
            recording = providers.open_session(self.folder / graph.file, "cuda", 1, records=True)
            shapes = [shape for shape in SHAPES if shape[1] <= self.manifest.max_length]
            session.replay_small_runs(Recordings(recording, graph.outputs[0].name, "cuda", shapes))
        except Exception as error:
            _LOGGER.warning("No CUDA graphs are used: %s", error)
