"""Holds graphs at work: their runners, and the workers that feed them what waits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..artifact.artifact import Graph, Manifest
from ..images.picture import PictureInput
from ..text.layout import Input
from .devices.providers import Provider
from .devices.tensorrt import Plans
from .runner import Runner
from .scheduler import Schedule
from .vision_runner import VisionRunner
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Opened:
    """A graph on a provider. The workers know the runner and nothing knows them, so that dropping it frees both."""

    graph: Graph
    provider: Provider
    runner: Runner
    workers: Workers[Input]

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


@dataclass(frozen=True, slots=True)
class OpenedVision:
    """A vision graph on a provider."""

    graph: Graph
    workers: Workers[PictureInput]

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, graph: Graph, provider: Provider, schedule: Schedule) -> Self:
        """Open a vision graph of the artifact in `folder`. Raises `ProviderError`."""
        assert manifest.pictures is not None, "an artifact with a vision graph says how it reads pictures"
        runner = VisionRunner(folder, graph, manifest.pictures, provider, schedule.threads)
        return cls(graph, Workers(runner.run, schedule))

    def close(self) -> None:
        """Finish what is waiting and running, and end the threads."""
        self.workers.close()
