"""Computes pictures with an artifact's vision graph, each once, and remembers what came of them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .arrays import Floats
from .images.picture import PictureInput
from .job import Job
from .runtime.opened import OpenedVision
from .runtime.scheduler import Scheduler
from .runtime.workers import Workers
from .text.layout import Input
from .vectors.cache import EmbeddingCache

_KEY = b"picture"

# Numbers of image embeddings that a call holds at a time, 256 MiB of them: a choice, some 50 pages of a small model.
_NUMBERS_AT_A_TIME = 2**26


class Vision:
    """One artifact's pictures. Thread-safe."""

    def __init__(self, opened: OpenedVision, texts: Workers[Input], cache: EmbeddingCache) -> None:
        """`texts` are the workers of the text graph."""
        self._opened = opened
        self._texts = texts
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

    def run(self, inputs: Sequence[Input], job: Job) -> list[Floats]:
        """The text graph's rows for each input, in order, whose pictures are computed before; as `Workers.run`.

        The job was submitted. Inputs of many pictures go some at a time, so that memory holds the embeddings of those.
        """
        rows: list[Floats] = []
        for some in self._shares(inputs):
            embeddings = self.embed((picture for item in some for picture in _pictures(item)), job)
            placed = [
                item if item.placed is None else replace(item, placed=item.placed.computed(embeddings)) for item in some
            ]
            rows += self._texts.run(placed, job)
        return rows

    def _shares(self, inputs: Sequence[Input]) -> Iterator[Sequence[Input]]:
        """Inputs in order, as many at a time as have pictures of `_NUMBERS_AT_A_TIME`; at least one."""
        (output,) = self._opened.graph.outputs
        most = _NUMBERS_AT_A_TIME // math.prod(dim for dim in output.dims if isinstance(dim, int))
        start, pictures = 0, set[PictureInput]()
        for place, item in enumerate(inputs):
            together = pictures.union(_pictures(item))
            if pictures < together and pictures and sum(picture.rows for picture in together) > most:
                yield inputs[start:place]
                start, together = place, set(_pictures(item))
            pictures = together
        yield inputs[start:]

    @property
    def scheduler(self) -> Scheduler[PictureInput]:
        """What waits for the vision graph."""
        return self._opened.workers.scheduler

    def close(self) -> None:
        """Finish what is running and release the worker."""
        self._opened.close()


def _pictures(item: Input) -> Sequence[PictureInput]:
    return item.placed.pictures if item.placed is not None else ()
