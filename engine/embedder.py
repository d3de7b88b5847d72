"""Embeds contents one by one, each once, and compares them: bi-encoders and late interaction."""

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import Floats
from .artifact import Manifest, Role
from .content import ReadContent
from .grouping import places_of
from .images.picture import PictureInput
from .inputs import AnyInput, InputBuilder
from .job import Job
from .prompts.template import Prompting
from .results import Scores
from .runtime.gpu_arrays import on_host
from .runtime.workers import Workers
from .text.layout import Input
from .text.truncation import Truncation
from .vectors.cache import EmbeddingCache, key_of
from .vision import Vision


class Embedder:
    """Embeddings of one artifact's contents, computed or remembered. Thread-safe."""

    def __init__(
        self,
        manifest: Manifest,
        builder: InputBuilder,
        workers: Workers[Input],
        cache: EmbeddingCache,
        vision: Vision | None,
    ) -> None:
        self._manifest = manifest
        self._builder = builder
        self._workers = workers
        self._vision = vision
        self.cache = cache

    def embed(self, inputs: Mapping[Role, Sequence[AnyInput]], job: Job) -> dict[Role, list[Floats]]:
        """Each input's embedding `[dim]`, or those of its token embeddings that MaxSim sees, `[tokens, dim]`.

        They are not to be changed, since the cache has them too.

        Token embeddings are where `Runner.run` leaves them, all in the same place.
        The job's bound on tokens counts all inputs, so that what is refused does not depend on what came before; only
        those that are computed wait for room in the queue. Raises as `Workers.run`.
        """
        asked = [(role, item) for role, items in inputs.items() for item in items]
        job.submit([item.tokens for _, item in asked])
        texts = [(role, item) for role, item in asked if isinstance(item, Input)]
        pictures = [item for _, item in asked if isinstance(item, PictureInput)]
        of_texts = iter(self._embed_texts(texts, job))
        of_pictures = {} if self._vision is None else self._vision.embed(pictures, job)
        return {
            role: [of_pictures[item] if isinstance(item, PictureInput) else next(of_texts) for item in items]
            for role, items in inputs.items()
        }

    def _embed_texts(self, asked: Sequence[tuple[Role, Input]], job: Job) -> list[Floats]:
        """What the text graph gives for each input, as `embed` does."""
        keys = [key_of(item.identity, role) for role, item in asked]
        rows = self.cache.get(keys)
        # Equal ones among them are computed once.
        missing = {key: place for key, place in zip(keys, asked, strict=True) if key not in rows}
        if missing:
            items = [item for _, item in missing.values()]
            run = self._workers.run if self._vision is None else self._vision.run
            computed = run(items, job)
            for (key, (role, item)), row in zip(missing.items(), computed, strict=True):
                rows[key] = self.cache.put(key, self._scored(row, item, role))
        return [rows[key] for key in keys]

    def compare(self, query: Floats, documents: Sequence[Floats]) -> Floats:
        """A query's score with each document, from their embeddings; float32 `[documents]`."""
        compare = self._manifest.scoring.compare
        assert compare is not None, "cross-encoders were told apart before"
        return compare(query, documents, self._manifest.similarity)

    def query(self, content: ReadContent, limits: Truncation, prompting: Prompting) -> tuple[Floats, int]:
        """A query's embedding, as from `embed` but in this machine's memory, and how many tokens it has."""
        inputs = self._builder.contents([content], "query", limits, prompting)
        return on_host(self.embed({"query": inputs}, limits.job)["query"][0]), inputs[0].tokens

    def score(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
    ) -> Scores:
        """The similarity of each query with the document beside it, or of the one query with every document."""
        sides: dict[Role, list[ReadContent]] = {
            "query": list(dict.fromkeys(queries)),
            "document": list(dict.fromkeys(documents)),
        }
        inputs: dict[Role, list[AnyInput]] = {
            "query": self._builder.contents(sides["query"], "query", limits, prompting),
            "document": self._builder.contents(sides["document"], "document", limits, Prompting()),
        }
        embedded = self.embed(inputs, limits.job)
        rows = {role: dict(zip(sides[role], embedded[role], strict=True)) for role in sides}
        lengths = {role: dict(zip(sides[role], (item.tokens for item in inputs[role]), strict=True)) for role in sides}
        tokens = sum(lengths["query"][text] for text in queries) + sum(lengths["document"][text] for text in documents)

        scores = np.empty(len(documents), np.float32)
        for query, own in _documents_of(queries, len(documents)).items():
            own_rows = [rows["document"][documents[place]] for place in own]
            scores[own] = self.compare(rows["query"][query], own_rows)
        return Scores(scores, tokens)

    def _scored(self, row: Floats, item: Input, role: Role) -> Floats:
        return self._builder.scored(row, item, role) if self._manifest.scoring.by_token else row


def _documents_of(queries: Sequence[ReadContent], documents: int) -> dict[ReadContent, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    return places_of(queries)
