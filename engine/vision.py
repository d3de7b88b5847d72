"""Computes pictures with an artifact's vision graph, each once, and remembers what came of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .arrays import Floats
from .images.picture import PictureInput
from .job import Job
from .runtime.opened import OpenedVision
from .runtime.scheduler import Scheduler
from .text.layout import Input
from .vectors.cache import EmbeddingCache

_KEY = b"picture"


class Vision:
    """One artifact's pictures. Thread-safe."""

    def __init__(self, opened: OpenedVision, cache: EmbeddingCache) -> None:
        self._opened = opened
        self._cache = cache

    def embed(self, pictures: Iterable[PictureInput], job: Job) -> dict[PictureInput, Floats]:
        """Each distinct picture's embeddings, as `VisionRunner.run` gives them; not to be changed.

        The job was submitted, so that it counts what the pictures are part of. Raises as `Workers.run`.
        """
        distinct = list(dict.fromkeys(pictures))
        keys = [_KEY + picture.identity for picture in distinct]
        found = self._cache.get(keys)
        missing = {key: picture for key, picture in zip(keys, distinct, strict=True) if key not in found}
        if missing:
            computed = self._opened.workers.run(list(missing.values()), job)
            for key, embeddings in zip(missing, computed, strict=True):
                found[key] = self._cache.put(key, embeddings)
        return {picture: found[key] for key, picture in zip(keys, distinct, strict=True)}

    def placed(self, inputs: Sequence[Input], job: Job) -> list[Input]:
        """Inputs with the embeddings of the pictures among their tokens. Raises as `embed`."""
        embeddings = self.embed((picture for item in inputs for picture in _pictures(item)), job)
        return [
            item if item.placed is None else replace(item, placed=item.placed.computed(embeddings)) for item in inputs
        ]

    @property
    def scheduler(self) -> Scheduler[PictureInput]:
        """What waits for the vision graph."""
        return self._opened.workers.scheduler

    def close(self) -> None:
        """Finish what is running and release the worker."""
        self._opened.close()


def _pictures(item: Input) -> Sequence[PictureInput]:
    return item.placed.pictures if item.placed is not None else ()
