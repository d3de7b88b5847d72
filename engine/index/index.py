"""Ranks documents by their ids, from embeddings that were computed ahead."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from ..arguments import QueryArguments, known
from ..arrays import Floats
from ..content import Content
from ..engine import Engine
from ..errors import InvalidIndex, InvalidInput
from ..job import Job
from ..results import Ranking, Scores
from ..vectors.ranking import check_top_n, ranked
from ..vectors.stored import Stored
from .files import IndexManifest, open_index
from .ids import find

# Bounds the memory of stored embeddings that are made floats at a time: a choice.
_DOCUMENTS_AT_A_TIME = 256


class Index:
    """An index and the engine it belongs to. Thread-safe. It is mapped: opening it reads next to nothing."""

    def __init__(self, folder: str | Path, engine: Engine) -> None:
        """Open a folder that `python -m engine index` has made. Raises `InvalidIndex`, also for another model's."""
        self._files = open_index(Path(folder))
        self._engine = engine
        if not self.manifest.is_of(engine.manifest, engine.graph):
            raise InvalidIndex(
                f"{folder} was made by {self.manifest.model} ({self.manifest.precision}), whose graph, tokenizer or "
                f"prompts are not those of {engine.manifest.name} ({engine.graph.precision}): open it with the model "
                "that made it, or make it again."
            )

        dimension = engine.manifest.dimension
        if dimension not in (None, self.manifest.dimension):
            raise InvalidIndex(
                f"{folder} has vectors of {self.manifest.dimension} numbers, and {engine.manifest.name} makes some of "
                f"{dimension}: copy it again, or make it again."
            )
        self._folder = folder

    @property
    def manifest(self) -> IndexManifest:
        return self._files.manifest

    def rerank(
        self,
        query: Content,
        document_ids: Sequence[str | int],
        *,
        top_n: int | None = None,
        **arguments: Unpack[QueryArguments],
    ) -> Ranking:
        """As `Engine.rerank`, of documents that are named: only the query is computed, and counted in `tokens`.

        The arguments are the engine's. An id that is a number is the same as its digits, as in the files that indexes
        are made of. Raises as the engine does, and `InvalidInput` for an id that is not in the index.
        """
        known(arguments, QueryArguments, "top_n")
        check_top_n(top_n)
        if isinstance(document_ids, str) or not all(isinstance(own, str | int) for own in document_ids):
            raise InvalidInput("document_ids must be a list of strings or whole numbers.", "document_ids")
        if not document_ids:
            raise InvalidInput("At least one document id must be given", "document_ids")
        numbers = find(self._files.ids, [*map(str, document_ids)])
        job = arguments["job"] = arguments.get("job") or Job()
        embedding, tokens = self._engine.embed_query(query, **arguments)
        scores = np.empty(len(numbers), np.float32)
        for start in range(0, len(numbers), _DOCUMENTS_AT_A_TIME):
            job.check()
            some = slice(start, start + _DOCUMENTS_AT_A_TIME)
            scores[some] = self._engine.compare(embedding, [self._document(n) for n in numbers[some]])
        if not np.isfinite(scores).all():
            raise InvalidIndex(f"{self._folder} has vectors that are no numbers: copy it again, or make it again.")
        return ranked(Scores(scores, tokens), top_n)

    def _document(self, number: int) -> Floats:
        starts, embeddings = self._files.starts, self._files.embeddings
        own = number if starts is None else slice(starts[number], starts[number + 1])
        scales = None if embeddings.scales is None else embeddings.scales[own]
        return Stored(embeddings.values[own], scales).floats()
