"""Scores, ranks and embeds with one artifact."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, Unpack

import numpy as np

from .arguments import QueryArguments, ScoreArguments, TextArguments, known
from .arrays import Floats
from .artifact.artifact import MANIFEST, TOKENIZER, Manifest, Role
from .artifact.fitting import check_tokens
from .artifact.manifest import read_manifest
from .artifact.seal import check_seal
from .content import Content, ReadContent, read_one
from .embedder import Embedder
from .errors import ArtifactError, InvalidInput, ProviderError, UnsupportedTask
from .inputs import AnyInput, ContentOrTokens, InputBuilder, aligned, listed
from .job import Job
from .pair_scorer import PairScorer
from .prompts.template import Prompting, ScoreTemplate
from .results import Classes, Embeddings, Ranking, Scores, TokenEmbeddings, TokenSimilarity
from .runtime.devices.gpu_arrays import on_host
from .runtime.opened import Opened, OpenedVision
from .runtime.opening import Opener
from .runtime.scheduler import Waiting
from .runtime.trying import try_longest
from .runtime.workers import Batch
from .score_types import BI_ENCODER, CROSS_ENCODER, LATE_INTERACTION, ScoreType
from .text.chunking import chunking
from .text.tokenizer import Token, Tokenizer
from .text.truncation import Truncation, truncation
from .vectors import matryoshka
from .vectors.cache import DEFAULT_CACHE_BYTES, CacheUse, EmbeddingCache
from .vectors.ranking import check_top_n, ranked
from .vectors.stored import Store
from .vision import Vision


class Engine:
    """Scores of one artifact. Thread-safe; open it once and share it.

    A process that is forked opens its graphs anew at its first call. A GPU does not allow that: it raises
    `ProviderError`.

    A query or document is a text, a picture, or a sequence of parts. What else calls take by keyword means the same
    everywhere, and is told in `engine.arguments`.

    All raise `InvalidInput` for arguments that cannot be met, `UnsupportedTask` for what the score type cannot do,
    `QueueFull` where too much waits already, and what the job's `check` and `submit` raise.
    """

    def __init__(
        self,
        manifest: Manifest,
        opened: Opened,
        tokenizer: Tokenizer,
        template: ScoreTemplate | None = None,
        cache: EmbeddingCache | None = None,
        paces: Mapping[str, float] | None = None,
        vision: OpenedVision | None = None,
    ) -> None:
        """An engine of parts that are open already; `Engine.load` opens them. Without a cache nothing is remembered."""
        self.manifest = manifest
        self.graph = opened.graph
        self.provider = opened.provider.name
        self.paces = paces or {}
        """Pairs or texts a second by provider, the fastest first, where `provider="auto"` has tried several."""
        self._tokenizer = tokenizer
        self._builder = InputBuilder(manifest, tokenizer, template)
        self._cache = cache or EmbeddingCache(0)
        self._opener: Opener | None = None
        self._reopening = threading.Lock()
        self._set_to_work(opened, vision)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        precision: str | None = None,
        provider: str = "cpu",
        threads: int | None = None,
        chat_template: str | None = None,
        max_waiting_tokens: int | None = None,
        embedding_cache_bytes: int = DEFAULT_CACHE_BYTES,
        embedding_cache_store: Store = "float32",
        cuda_graphs: bool = False,
    ) -> Self:
        """Open an artifact's folder, after checking its manifest and the hash of every file.

        `precision` picks one of several graphs (default: the first that was exported). `provider` is "cpu", "cuda" or
        "tensorrt", or several with commas, to fall back to the next where one is not there; or "auto": of those that
        start here the one that runs 20 short texts fastest, with the CPU's scores, and TensorRT only where its plans
        are built already. `threads` defaults to the machine's cores. `chat_template` is the text of a score template,
        for a cross-encoder to use instead of its own. `max_waiting_tokens` bounds what may wait to be computed.

        Embeddings, of queries and documents, and pictures as the vision graph has seen them, are remembered in
        `embedding_cache_bytes` of memory, 0 for none, and not computed again; `embedding_cache_store` "float16" or
        "int8" holds more of them, all rounded as `Stored` says. Token embeddings computed on a GPU are compared and
        remembered in its memory where cupy is installed.

        With `cuda_graphs` the "cuda" provider launches a run of up to 32 texts of up to 128 tokens at once instead of
        kernel by kernel, for graphs that ONNX Runtime can record and that then give the same; others run as ever.
        Weights are in the GPU's memory twice then.
        Raises `ArtifactError`, `ProviderError` and `InvalidInput`.
        """
        if threads is not None and threads < 1:
            raise InvalidInput(f"threads must be at least 1, or None for all cores, not {threads}.", "threads")
        # As it was given: a hub id is told from a path.
        manifest = read_manifest(Path(path))
        folder = Path(path).absolute()
        tokenizer = Tokenizer(folder / TOKENIZER)
        check_tokens(manifest, tokenizer, folder / MANIFEST)
        template = ScoreTemplate.of(folder, manifest, tokenizer, chat_template)
        cache = EmbeddingCache(embedding_cache_bytes, embedding_cache_store)
        opener = Opener(folder, manifest, precision, threads, max_waiting_tokens, cuda_graphs)
        opened, paces = opener.open(provider, tokenizer.size)
        vision = opener.open_vision(opened)
        engine = cls(manifest, opened, tokenizer, template, cache, paces, vision)
        engine._opener = opener
        try:
            # Last, because whatever else is wrong with a manifest says more.
            if not check_seal(folder):
                try_longest(manifest, opened, folder)
        except ArtifactError:
            engine.close()
            raise
        return engine

    @property
    def tried(self) -> str:
        """`paces` in words, such as "cuda (950 pairs/s), cpu (73 pairs/s)"."""
        unit = self.manifest.scoring.unit
        return ", ".join(f"{provider} ({pace:,.0f} {unit}/s)" for provider, pace in self.paces.items())

    @property
    def waiting(self) -> Waiting:
        """What waits to be computed now, pictures too."""
        self._reopen_if_forked()
        texts = self._opened.workers.scheduler.waiting
        pictures = Waiting(0, 0) if self._vision is None else self._vision.scheduler.waiting
        return Waiting(texts.sequences + pictures.sequences, texts.tokens + pictures.tokens)

    @property
    def cache(self) -> CacheUse | None:
        """What is remembered and how often that helped; None where nothing is: off, or a cross-encoder of texts."""
        self._reopen_if_forked()
        remembers = not self.manifest.scoring.reads_pairs or self._vision is not None
        return self._cache.use if self._cache.on and remembers else None

    def on_batch(self, observer: Callable[[Batch], None]) -> None:
        """From now on call `observer` with each run of the text graph, on a worker's thread."""
        self._reopen_if_forked()
        self._opened.workers.on_batch = observer

    def score(
        self,
        queries: Content | Sequence[Content],
        documents: Content | Sequence[Content],
        **arguments: Unpack[ScoreArguments],
    ) -> Scores:
        """The score of each query with the document beside it: 1:1, 1:N (one query for all), or N:N."""
        limits = self._begin(known(arguments, ScoreArguments))
        chunks = chunking(self.manifest.max_length, arguments)
        read_queries, read_documents = aligned(queries, documents)
        prompting = Prompting(arguments.get("instruction"), arguments.get("chat_template_kwargs"))
        if not self.manifest.scoring.reads_pairs:
            return self._embedder.score(read_queries, read_documents, limits, prompting, chunks)
        use_activation = arguments.get("use_activation", True)
        return self._pair_scorer.score(read_queries, read_documents, limits, prompting, chunks, use_activation)

    def rerank(
        self,
        query: Content,
        documents: Sequence[Content],
        *,
        top_n: int | None = None,
        **arguments: Unpack[ScoreArguments],
    ) -> Ranking:
        """Documents by falling score for `query`, the first `top_n` of them (None or 0: all)."""
        known(arguments, ScoreArguments, "top_n")
        check_top_n(top_n)
        return ranked(self.score(query, documents, **arguments), top_n)

    def classify(
        self,
        texts: ContentOrTokens | Sequence[ContentOrTokens],
        *,
        use_activation: bool = True,
        **arguments: Unpack[TextArguments],
    ) -> Classes:
        """What a cross-encoder's classifier says of each text by itself. Its score template has no part in it."""
        self._require(CROSS_ENCODER)
        limits = self._begin(known(arguments, TextArguments, "use_activation"))
        return self._pair_scorer.classify(listed(texts), limits, use_activation)

    def embed(
        self,
        contents: ContentOrTokens | Sequence[ContentOrTokens],
        *,
        role: Role | None = "document",
        instruction: str | None = None,
        dimensions: int | None = None,
        **arguments: Unpack[TextArguments],
    ) -> Embeddings:
        """A bi-encoder's embedding of each content, with the prompt the checkpoint has for `role`.

        None puts none, but for one that queries and documents share, as sentence-transformers puts a default prompt.

        `instruction` takes the place of the prompt's own. `dimensions` cuts the embeddings of a Matryoshka model, and
        normalises them anew where it does so itself.
        """
        self._require(BI_ENCODER)
        matryoshka.check(self.manifest, dimensions)
        limits = self._begin(known(arguments, TextArguments, "role", "instruction", "dimensions"))
        inputs = self._builder.contents(listed(contents), role, limits, Prompting(instruction))
        # An input's identity has its prompt in it: one without a role is a document's only where they are equal.
        by_role = self._embedder.embed({role or "document": inputs}, limits.job)
        rows = np.stack(by_role[role or "document"])
        return Embeddings(matryoshka.cut(self.manifest, rows, dimensions), _tokens(inputs))

    def embed_tokens(
        self,
        contents: ContentOrTokens | Sequence[ContentOrTokens],
        *,
        role: Role = "document",
        **arguments: Unpack[TextArguments],
    ) -> TokenEmbeddings:
        """A late-interaction model's token embeddings of each content, marked and expanded as `role` asks."""
        self._require(LATE_INTERACTION)
        limits = self._begin(known(arguments, TextArguments, "role"))
        inputs = self._builder.contents(listed(contents), role, limits, Prompting())
        rows = self._embedder.embed({role: inputs}, limits.job)[role]
        # A copy, because those that are remembered are not the caller's to change; and one, as it may be from a GPU.
        copied = on_host(np.concatenate(rows))
        return TokenEmbeddings(np.split(copied, np.cumsum([len(own) for own in rows])[:-1]), _tokens(inputs))

    def embed_query(self, query: Content, **arguments: Unpack[QueryArguments]) -> tuple[Floats, int]:
        """A query's embedding for `compare`, `[dim]` or `[tokens, dim]`, not to be changed, and its count of tokens."""
        self._require_embedder()
        limits = self._begin(known(arguments, QueryArguments))
        prompting = Prompting(arguments.get("instruction"))
        return self._embedder.query(read_one(query, "query"), limits, prompting)

    def compare(self, query: Floats, documents: Sequence[Floats]) -> Floats:
        """A query's score with each document, `[documents]`, from embeddings `[dim]` or token embeddings `[tokens,
        dim]`."""
        self._require_embedder()
        return self._embedder.compare(query, documents)

    def compare_tokens(self, query: Content, document: Content, **arguments: Unpack[TextArguments]) -> TokenSimilarity:
        """What a late-interaction score is made of: each query token's dot product with each document token."""
        self._require(LATE_INTERACTION)
        limits = self._begin(known(arguments, TextArguments))
        contents: dict[Role, ReadContent] = {
            "query": read_one(query, "query"),
            "document": read_one(document, "document"),
        }
        return self._embedder.compare_tokens(contents, limits, self._tokenizer)

    def tokenize(self, text: str, *, add_special_tokens: bool = True, job: Job | None = None) -> list[Token]:
        """A text's tokens, with the special ones of a text by itself, whatever the model's layouts and prompts are.

        The job is not submitted, and bounds each call by itself.
        """
        return self._tokenizer.tokenize(text, add_special_tokens=add_special_tokens, job=job)

    def detokenize(self, tokens: Sequence[int], *, skip_special_tokens: bool = False, job: Job | None = None) -> str:
        """The text of token ids. The job is as `tokenize`'s."""
        return self._tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens, job=job)

    def count_tokens(self, text: str, most: int, job: Job | None = None) -> int:
        """How many tokens a text has of its own, up to `most`. The job is as `tokenize`'s."""
        return self._builder.count(text, most, job or Job())

    def close(self) -> None:
        """Finish what is running and release the workers."""
        if self._process != os.getpid():
            return  # its workers are another process's
        if self._vision is not None:
            self._vision.close()
        self._opened.close()

    def _set_to_work(self, opened: Opened, vision: OpenedVision | None) -> None:
        """Take the graphs that this process has opened."""
        self._opened = opened
        self._vision = None if vision is None else Vision(vision, opened.workers, self._cache_of_pictures())
        self._embedder = Embedder(self.manifest, self._builder, opened.workers, self._cache, self._vision)
        self._pair_scorer = PairScorer(self.manifest, self._builder, opened, self._vision)
        self._process = os.getpid()

    def _reopen_if_forked(self) -> None:
        """In a process that was forked since, open the graphs again: no thread came along, and locks as they were.

        Raises `ProviderError` where that cannot be.
        """
        if self._process == os.getpid():
            return
        with self._reopening:
            if self._process == os.getpid():
                return
            if self._opener is None or self._opened.provider.on_gpu:
                raise ProviderError(
                    f"{self.manifest.name} was opened on {self.provider} before this process was forked, which it does "
                    "not survive: open it in the process that uses it, or start processes with the method spawn."
                )
            observer = self._opened.workers.on_batch
            opened, _ = self._opener.open(self.provider, self._tokenizer.size)
            self._cache = self._cache.emptied()
            self._set_to_work(opened, self._opener.open_vision(opened))
            opened.workers.on_batch = observer

    def _begin(self, arguments: ScoreArguments) -> Truncation:
        """Every call's way in, before it tokenises: refused where the queue is full, else its limits."""
        self._reopen_if_forked()
        self._opened.workers.scheduler.admit()
        if self._vision is not None:
            self._vision.scheduler.admit()
        return truncation(self.manifest.max_length, arguments, self.manifest.truncation)

    def _cache_of_pictures(self) -> EmbeddingCache:
        """The engine's, but for embedders whose texts and pictures mix: what they give for a page is remembered, which
        is a fraction of what the vision graph gives."""
        reading = self.manifest.pictures
        mixes = reading is not None and reading.placeholder is not None
        return EmbeddingCache(0) if mixes and not self.manifest.scoring.reads_pairs else self._cache

    def _require(self, score_type: ScoreType) -> None:
        own = self.manifest.scoring
        if own is not score_type:
            raise UnsupportedTask(score_type.task, [own.task])

    def _require_embedder(self) -> None:
        if self.manifest.scoring.reads_pairs:
            raise UnsupportedTask(BI_ENCODER.task, [self.manifest.scoring.task])


def _tokens(inputs: Sequence[AnyInput]) -> list[int]:
    return [item.tokens for item in inputs]
