"""Holds a graph at work: its runner, and the workers that feed it what waits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..artifact import Graph, Manifest
from .providers import Provider
from .runner import Runner
from .scheduler import Schedule
from .tensorrt import Plans
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Opened:
    """A graph on a provider. The workers know the runner and nothing knows them, so that dropping it frees both."""

    graph: Graph
    provider: Provider
    runner: Runner
    workers: Workers

    @classmethod
    def of(
        cls,
        folder: Path,
        manifest: Manifest,
        graph: Graph,
        provider: Provider,
        schedule: Schedule,
        share_from: int | None,
        plans: Plans | None = None,
    ) -> Self:
        """Open a graph of the artifact in `folder`; see `Runner` for the last two. Raises `ProviderError`."""
        output = manifest.scoring.output
        runner = Runner(folder, graph, output, provider, manifest.pad_token, schedule.threads, share_from, plans)
        return cls(graph, provider, runner, Workers(runner.run, schedule))

    def close(self) -> None:
        """Finish what is waiting and running, and end the threads."""
        self.workers.close()
        self.runner.close()
