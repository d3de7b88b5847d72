"""Embeds contents one by one, each once, and compares them: bi-encoders and late interaction."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import Floats
from .artifact.artifact import Manifest, Role
from .chunk_scores import chunks_of, inputs_of, repeated
from .content import ReadContent
from .grouping import places_of
from .images.picture import PictureInput
from .inputs import AnyInput, InputBuilder
from .job import Job
from .prompts.template import Prompting
from .results import Scores, TokenSimilarity
from .runtime.devices.gpu_arrays import on_host
from .runtime.workers import Workers
from .text.boxes import boxes_of
from .text.chunking import Chunking
from .text.layout import Input
from .text.tokenizer import Tokenizer
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

    def compare_tokens(
        self, contents: Mapping[Role, ReadContent], limits: Truncation, tokenizer: Tokenizer
    ) -> TokenSimilarity:
        """What a late-interaction score of a query and a document is made of."""
        inputs = {role: self._input(content, role, limits) for role, content in contents.items()}
        rows = self.embed({role: [item] for role, item in inputs.items()}, limits.job)
        seen = {role: np.flatnonzero(self._builder.is_scored(item, role)) for role, item in inputs.items()}
        tokens = {
            role: [tokenizer.token(int(token)) for token in item.input_ids[seen[role]]] for role, item in inputs.items()
        }
        located = {role: boxes_of(item, self._manifest.pictures) for role, item in inputs.items()}
        boxes = {role: [located[role][place] for place in places] for role, places in seen.items()}
        return TokenSimilarity(
            query_tokens=tokens["query"],
            document_tokens=tokens["document"],
            similarity=on_host(rows["query"][0] @ rows["document"][0].T),
            tokens=sum(map(len, inputs.values())),
            query_boxes=boxes["query"],
            document_boxes=boxes["document"],
        )

    def score(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
        chunking: Chunking | None,
    ) -> Scores:
        """The similarity of each query with the document beside it, or of the one query with every document.

        With `chunking` a document that is too long has the largest similarity of its chunks, or with late interaction
        that of all their tokens.
        """
        asked, known = list(dict.fromkeys(queries)), list(dict.fromkeys(documents))
        of_queries = self._builder.contents(asked, "query", limits, prompting)
        if chunking is None:
            splits, owners = None, known
            of_documents = self._builder.contents(known, "document", limits, Prompting())
        else:
            splits = self._builder.split_documents(known, limits, chunking)
            owners, of_documents = repeated(known, splits), inputs_of(splits)
        embedded = self.embed({"query": of_queries, "document": of_documents}, limits.job)
        query_rows = dict(zip(asked, embedded["query"], strict=True))
        query_tokens = {query: item.tokens for query, item in zip(asked, of_queries, strict=True)}
        rows: defaultdict[ReadContent, list[Floats]] = defaultdict(list)
        tokens: Counter[ReadContent] = Counter()
        for document, row, item in zip(owners, embedded["document"], of_documents, strict=True):
            rows[document].append(row)
            tokens[document] += item.tokens

        scores = np.empty(len(documents), np.float32)
        of_chunks: dict[int, Floats] = {}
        for query, own in _documents_of(queries, len(documents)).items():
            own_rows = [rows[documents[place]] for place in own]
            scores[own], flat = self._compare_chunks(query_rows[query], own_rows)
            if splits is not None:
                of_chunks |= zip(own, np.split(flat, np.cumsum([*map(len, own_rows)])[:-1]), strict=True)
        total = sum(query_tokens[text] for text in queries) + sum(tokens[text] for text in documents)
        if splits is None:
            return Scores(scores, total)
        split_of = dict(zip(known, splits, strict=True))
        in_order = [of_chunks[place] for place in range(len(documents))]
        return Scores(scores, total, chunks_of(documents, [split_of[own] for own in documents], in_order))

    def _compare_chunks(self, query: Floats, documents: Sequence[Sequence[Floats]]) -> tuple[Floats, Floats]:
        """A query's score with each document, whose chunks' embeddings are given, and with all of those, in order."""
        flat = [row for own in documents for row in own]
        of_chunks = self.compare(query, flat)
        if len(flat) == len(documents):
            return of_chunks, of_chunks
        if self._manifest.scoring.by_token:
            whole = [np.concatenate(own) if len(own) > 1 else own[0] for own in documents]
            return self.compare(query, whole), of_chunks
        starts = np.cumsum([0, *(len(own) for own in documents[:-1])])
        return np.maximum.reduceat(of_chunks, starts), of_chunks

    def _input(self, content: ReadContent, role: Role, limits: Truncation) -> Input:
        """A late-interaction model's input for one content."""
        (item,) = self._builder.contents([content], role, limits, Prompting())
        assert isinstance(item, Input), "its pictures stand among tokens"
        return item

    def _scored(self, row: Floats, item: Input, role: Role) -> Floats:
        return self._builder.scored(row, item, role) if self._manifest.scoring.by_token else row


def _documents_of(queries: Sequence[ReadContent], documents: int) -> dict[ReadContent, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    return places_of(queries)
