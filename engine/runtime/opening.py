"""Opens an artifact's graph on the provider that was asked for, on one to fall back to, or on the fastest."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..artifact.artifact import Graph, Manifest
from ..artifact.precisions import tolerance
from ..errors import ArtifactError, ProviderError
from .devices.choosing import choose, made_up_request
from .devices.cuda_graphs import SHAPES, Recordings
from .devices.providers import AUTO, CUDA, PROVIDERS, Provider, installed, preferred
from .devices.tensorrt import Plans
from .opened import Opened, OpenedVision
from .sessions import open_session

_LOGGER = logging.getLogger("scorert")


def select_graph(manifest: Manifest, precision: str | None, provider: Provider) -> Graph:
    """The graph of that precision for a provider, or the first.

    Raises `ArtifactError`, or `ProviderError` where the artifact has none for a provider that needs its own.
    """
    graphs = graphs_on(manifest, provider)
    for graph in graphs:
        if precision in (None, graph.precision):
            return graph
    wanted = "graph" if precision is None else f"{precision} graph"
    if provider.own_graphs:
        raise ProviderError(
            f"{manifest.name} has no {wanted} for TensorRT: export it with --provider tensorrt where it will be "
            "served, or use another provider, such as cuda."
        )
    if not graphs:
        raise ArtifactError(f"{manifest.name} has graphs for TensorRT alone: use that provider, or export it again.")
    found = ", ".join(graph.precision for graph in graphs)
    raise ArtifactError(f"{manifest.name} has no {wanted}, only {found}: export it with --precision {precision}.")


def graphs_on(manifest: Manifest, provider: Provider) -> list[Graph]:
    """The text graphs that a provider can run, in the manifest's order."""
    return [graph for graph in manifest.graphs if _runs_on(graph, provider)]


def _runs_on(graph: Graph, provider: Provider) -> bool:
    made_for = PROVIDERS[graph.provider]
    suits = made_for is provider if provider.own_graphs else not made_for.own_graphs
    return graph.role == "text" and suits


def select_vision_graph(manifest: Manifest, text: Graph) -> Graph | None:
    """The vision graph for a text graph: of its precision, or the first where there is none of that.

    None where the model reads text alone.
    """
    graphs = [graph for graph in manifest.graphs if graph.role == "vision"]
    return next((graph for graph in graphs if graph.precision == text.precision), graphs[0] if graphs else None)


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

    def open(self, preference: str, vocabulary: int) -> tuple[Opened, Mapping[str, float]]:
        """On the first of several providers with commas that starts, or on the fastest for "auto".

        `vocabulary` is how many token ids the fastest may be tried with. Also returns inputs a second by provider where
        several were tried, the fastest first. Raises `ArtifactError` and `ProviderError`.
        """
        if preference == AUTO:
            return self._fastest(vocabulary)
        *others, last = preferred(preference)
        for provider in others:
            with suppress(ProviderError):
                return self._open(provider), {}
        return self._open(last), {}

    def open_vision(self, opened: Opened) -> OpenedVision | None:
        """The vision graph that goes with a text graph, on its provider; None where the model reads text alone.

        Vision graphs have no plans of TensorRT's: where it runs the text graph, CUDA runs them. Raises `ProviderError`.
        """
        graph = select_vision_graph(self.manifest, opened.graph)
        if graph is None or self.manifest.pictures is None:
            return None
        provider = CUDA if opened.provider.own_graphs else opened.provider
        schedule = provider.vision_schedule(graph, self.threads, self.max_waiting)
        return OpenedVision.of(self.folder, self.manifest, graph, provider, schedule)

    def _fastest(self, vocabulary: int) -> tuple[Opened, Mapping[str, float]]:
        graphs = {provider: self._graph(provider) for provider in installed() if self._is_ready(provider)}
        return choose(
            {provider.name: partial(self._open, provider) for provider in graphs},
            made_up_request(self.manifest, vocabulary),
            tolerance([graph.precision for graph in graphs.values()]),
        )

    def _is_ready(self, provider: Provider) -> bool:
        """Whether it can start at once: TensorRT would build what is not there, for minutes."""
        if not provider.own_graphs:
            return True
        try:
            return bool(Plans.of(self.folder, self.manifest, self._graph(provider)).files)
        except (ArtifactError, ProviderError):
            return False

    def _graph(self, provider: Provider) -> Graph:
        return select_graph(self.manifest, self.precision, provider)

    def _open(self, provider: Provider) -> Opened:
        graph = self._graph(provider)
        opened = Opened.of(
            self.folder,
            self.manifest,
            graph,
            provider,
            provider.schedule(graph, self.threads, self.max_waiting),
            provider.shares_from(graph),
            Plans.of(self.folder, self.manifest, graph) if provider.own_graphs else None,
        )
        if self.cuda_graphs and provider is CUDA:
            self._record(opened)
        return opened

    def _record(self, opened: Opened) -> None:
        """What cannot be recorded runs as it would otherwise."""
        try:
            if opened.graph.past is not None:
                raise ValueError("the model computes what prompts share once, in runs of their own.")
            recording = open_session(self.folder / opened.graph.file, CUDA, 1, records=True)
            shapes = [shape for shape in SHAPES if shape[1] <= self.manifest.max_length]
            recordings = Recordings(recording, self.manifest.scoring.output, CUDA.device, shapes)
            opened.runner.replay_small_runs(recordings)
        except Exception as error:
            _LOGGER.warning("No CUDA graphs are used: %s", error)
