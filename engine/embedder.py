"""Texts that are embedded one by one, each once, and then compared: bi-encoders and late interaction."""

from collections.abc import Mapping, Sequence

import numpy as np

from .artifact import Manifest, Role
from .grouping import places_of
from .inputs import Inputs
from .job import Job
from .prompts.template import Prompting
from .results import Floats, Scores
from .runtime.gpu_arrays import on_host
from .runtime.session import Session
from .text.layout import Input, Truncation
from .vectors.cache import EmbeddingCache, key_of
from .vectors.similarity import compare


class Embedder:
    """Embeddings of one artifact's texts, computed or remembered. Thread-safe."""

    def __init__(self, manifest: Manifest, inputs: Inputs, session: Session, cache: EmbeddingCache) -> None:
        self._manifest = manifest
        self._inputs = inputs
        self._session = session
        self.cache = cache

    def embed(self, inputs: Mapping[Role, Sequence[Input]], job: Job | None = None) -> dict[Role, list[Floats]]:
        """Each input's embedding `[dim]`, or its token embeddings `[tokens, dim]` that MaxSim sees; not to be changed.

        Token embeddings are where `Session.run` leaves them, all in the same place.
        The job's bound on tokens counts all inputs, so that what is refused does not depend on what came before; only
        those that are computed wait for room in the queue. Raises as `Session.run`.
        """
        job = job or Job()
        asked = [(role, item) for role, items in inputs.items() for item in items]
        job.submit([len(item) for _, item in asked])
        keys = [key_of(item, role) for role, item in asked]
        rows = self.cache.get(keys)
        # Equal ones among them are computed once.
        missing = {key: place for key, place in zip(keys, asked, strict=True) if key not in rows}
        if missing:
            computed = self._session.run([item for _, item in missing.values()], job)
            for (key, (role, item)), row in zip(missing.items(), computed, strict=True):
                rows[key] = self.cache.put(key, self._scored(row, item, role))
        ordered = iter(rows[key] for key in keys)
        return {role: [next(ordered) for _ in items] for role, items in inputs.items()}

    def query(self, text: str, limits: Truncation, prompting: Prompting, job: Job | None) -> tuple[Floats, int]:
        """A query's embedding, as from `embed` but always numpy's, and its tokens."""
        inputs = self._inputs.texts([text], "query", limits, prompting)
        return on_host(self.embed({"query": inputs}, job)["query"][0]), len(inputs[0])

    def score(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        limits: Truncation,
        prompting: Prompting,
        job: Job | None,
    ) -> Scores:
        """The similarity of each query with the document beside it, or of the one query with every document."""
        sides: dict[Role, list[str]] = {
            "query": list(dict.fromkeys(queries)),
            "document": list(dict.fromkeys(documents)),
        }
        inputs: dict[Role, list[Input]] = {
            "query": self._inputs.texts(sides["query"], "query", limits, prompting),
            "document": self._inputs.texts(sides["document"], "document", limits, Prompting()),
        }
        embedded = self.embed(inputs, job)
        rows = {role: dict(zip(sides[role], embedded[role], strict=True)) for role in sides}
        lengths = {role: dict(zip(sides[role], map(len, inputs[role]), strict=True)) for role in sides}
        tokens = sum(lengths["query"][text] for text in queries) + sum(lengths["document"][text] for text in documents)

        scores = np.empty(len(documents), np.float32)
        for query, own in _documents_of(queries, len(documents)).items():
            scores[own] = compare(self._manifest, rows["query"][query], [rows["document"][documents[i]] for i in own])
        return Scores(scores, tokens)

    def _scored(self, row: Floats, item: Input, role: Role) -> Floats:
        return self._inputs.scored(row, item, role) if self._manifest.score_type == "late-interaction" else row


def _documents_of(queries: Sequence[str], documents: int) -> dict[str, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    return places_of(queries)
