"""The engine: an artifact and text in, scores out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from .artifact import TOKENIZER, Graph, Manifest, Role, read_manifest
from .embedder import Embedder
from .errors import UnsupportedTask
from .inputs import Inputs, Text, aligned, listed
from .job import Job
from .prompts.template import Prompting, ScoreTemplate
from .results import Classes, Embeddings, Floats, Ranking, Scores, TokenEmbeddings, TokenSimilarity
from .runtime.gpu_arrays import on_host
from .runtime.opening import Opener
from .runtime.scheduler import Batch, Waiting
from .runtime.session import Session
from .text.layout import Input, Truncation, truncation
from .text.tokenizer import Token, Tokenizer
from .vectors import matryoshka
from .vectors.cache import DEFAULT_CACHE_BYTES, CacheUse, EmbeddingCache
from .vectors.ranking import check_top_n, ranked
from .vectors.similarity import sigmoid
from .vectors.stored import Store


class Engine:
    """Scores of one artifact. Thread-safe; open it once and share it.

    The keyword arguments of scoring calls mean the same everywhere:

    - `truncate_prompt_tokens`: cut inputs to that many tokens, special ones included; -1 for the model's maximum.
      Without it a longer input raises `InputTooLong`. A pair gives way longest first.
    - `truncation_side`: "right" (the default) keeps the beginning of each text, "left" the end of the whole input.
    - `max_tokens_per_query`, `max_tokens_per_doc`: keep that many of a text's own tokens; 0 keeps all.
    - `instruction`, `chat_template_kwargs`: what the score template is told besides the pair. A bi-encoder whose query
      prompt has an instruction takes another one for it.
    - `job`: bounds the call, and cancels it from another thread; see `Job`.

    With a score template truncation shortens the document first and then the query, and "left" their beginnings.

    All raise `InvalidInput` for arguments that cannot be met, `UnsupportedTask` for what the score type cannot do,
    `QueueFull` where too much waits already, and what the job's `check` and `submit` raise.
    """

    def __init__(
        self,
        manifest: Manifest,
        graph: Graph,
        provider: str,
        session: Session,
        tokenizer: Tokenizer,
        template: ScoreTemplate | None = None,
        cache: EmbeddingCache | None = None,
        paces: Mapping[str, float] | None = None,
    ) -> None:
        """An engine of parts that are open already; `Engine.load` opens them. Without a cache nothing is remembered."""
        self.manifest = manifest
        self.graph = graph
        self.provider = provider
        self.paces = paces or {}
        """Pairs or texts a second by provider, the fastest first, where `provider="auto"` has tried several."""
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = Inputs(manifest, tokenizer, template)
        self.embedder = Embedder(manifest, self._inputs, session, cache or EmbeddingCache(0))
        """What embeds texts, where the model is no cross-encoder."""

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
        start here the one that runs 20 short texts fastest, with the CPU's scores, and TensorRT only where its engines
        are built already. `threads` defaults to the machine's cores. `chat_template` is the text of a score template,
        for a cross-encoder to use instead of its own. `max_waiting_tokens` bounds what may wait to be computed.

        Embeddings, of queries and documents, are remembered in `embedding_cache_bytes` of memory, 0 for none, and not
        computed again; `embedding_cache_store` "float16" or "int8" holds more of them, all rounded as `Stored` says.
        Token embeddings computed on a GPU are compared and remembered in its memory where cupy is installed.

        With `cuda_graphs` the "cuda" provider launches a run of up to 32 texts of up to 128 tokens at once instead of
        kernel by kernel, for graphs that ONNX Runtime can record and that then give the same; others run as ever.
        Weights are in the GPU's memory twice then.
        Raises `ArtifactError` and `ProviderError`.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        tokenizer = Tokenizer(folder / TOKENIZER)
        template = ScoreTemplate.of(folder, manifest, tokenizer, chat_template)
        cache = EmbeddingCache(embedding_cache_bytes, embedding_cache_store)
        opener = Opener(folder, manifest, precision, threads, max_waiting_tokens, cuda_graphs)
        opened = opener.open(provider, tokenizer.size)
        return cls(manifest, opened.graph, opened.provider, opened.session, tokenizer, template, cache, opened.paces)

    @property
    def tried(self) -> str:
        """`paces` in words, such as "cuda (950 pairs/s), cpu (73 pairs/s)"."""
        unit = "texts" if self.manifest.pair is None else "pairs"
        return ", ".join(f"{provider} ({pace:,.0f} {unit}/s)" for provider, pace in self.paces.items())

    @property
    def waiting(self) -> Waiting:
        """What waits to be computed now."""
        return self._session.waiting

    @property
    def cache(self) -> CacheUse | None:
        """What is remembered and how often that helped; None where nothing is: it is off, or a cross-encoder."""
        cache = self.embedder.cache
        return cache.use if cache.on and self.manifest.pair is None else None

    def on_batch(self, observer: Callable[[Batch], None]) -> None:
        """Have `observer` hear of each run of the graph from now on, on a worker's thread."""
        self._session.on_batch(observer)

    def score(
        self,
        queries: str | Sequence[str],
        documents: str | Sequence[str],
        *,
        use_activation: bool = True,
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        max_tokens_per_query: int | None = None,
        max_tokens_per_doc: int | None = None,
        instruction: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        job: Job | None = None,
    ) -> Scores:
        """The score of each query with the document beside it: 1:1, 1:N (one query for all), or N:N.

        `use_activation=False` gives a cross-encoder's logits as they are; it changes nothing for the other score
        types.
        """
        self._session.admit()
        queries, documents = aligned(queries, documents)
        limits = truncation(
            self.manifest.max_length, truncate_prompt_tokens, truncation_side, max_tokens_per_query, max_tokens_per_doc
        )
        prompting = Prompting(instruction, chat_template_kwargs)
        if self.manifest.pair is not None:
            return self._score_pairs(queries, documents, use_activation, limits, prompting, job)
        return self.embedder.score(queries, documents, limits, prompting, job)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        use_activation: bool = True,
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        max_tokens_per_query: int | None = None,
        max_tokens_per_doc: int | None = None,
        instruction: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        job: Job | None = None,
    ) -> Ranking:
        """Documents by falling score for `query`, the first `top_n` of them (None or 0: all)."""
        check_top_n(top_n)
        scored = self.score(
            query,
            documents,
            use_activation=use_activation,
            truncate_prompt_tokens=truncate_prompt_tokens,
            truncation_side=truncation_side,
            max_tokens_per_query=max_tokens_per_query,
            max_tokens_per_doc=max_tokens_per_doc,
            instruction=instruction,
            chat_template_kwargs=chat_template_kwargs,
            job=job,
        )
        return ranked(scored, top_n)

    def classify(
        self,
        texts: Text | Sequence[Text],
        *,
        use_activation: bool = True,
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        job: Job | None = None,
    ) -> Classes:
        """What a cross-encoder's classifier says of each text by itself. Its score template has no part in it."""
        self._require("cross-encoder", "classify")
        self._session.admit()
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs.singles(listed(texts), limits)
        return Classes(self._activated(self._session.run(inputs, job), use_activation), _lengths(inputs))

    def embed(
        self,
        texts: Text | Sequence[Text],
        *,
        role: Role | None = "document",
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        instruction: str | None = None,
        dimensions: int | None = None,
        job: Job | None = None,
    ) -> Embeddings:
        """A bi-encoder's embedding of each text, with the prompt the checkpoint has for `role`; None: with none.

        `dimensions` cuts the embeddings of a Matryoshka model, and normalises them anew where it does so itself.
        """
        self._require("bi-encoder", "embed")
        matryoshka.check(self.manifest, dimensions)
        self._session.admit()
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs.texts(listed(texts), role, limits, Prompting(instruction))
        rows = np.stack(self.embedder.embed({role or "document": inputs}, job)[role or "document"])
        return Embeddings(matryoshka.cut(self.manifest, rows, dimensions), _lengths(inputs))

    def embed_tokens(
        self,
        texts: Text | Sequence[Text],
        *,
        role: Role = "document",
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        job: Job | None = None,
    ) -> TokenEmbeddings:
        """A late-interaction model's token embeddings of each text, marked and expanded as `role` asks."""
        self._require("late-interaction", "token_embed")
        self._session.admit()
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs.texts(listed(texts), role, limits, Prompting())
        rows = self.embedder.embed({role: inputs}, job)[role]
        # A copy, because those that are remembered are not the caller's to change; and one, as it may be from a GPU.
        copied = on_host(np.concatenate(rows))
        return TokenEmbeddings(np.split(copied, np.cumsum([len(own) for own in rows])[:-1]), _lengths(inputs))

    def compare_tokens(
        self,
        query: str,
        document: str,
        *,
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
        job: Job | None = None,
    ) -> TokenSimilarity:
        """What a late-interaction score is made of: each query token's dot product with each document token."""
        self._require("late-interaction", "token_embed")
        self._session.admit()
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        texts: dict[Role, str] = {"query": query, "document": document}
        inputs = {role: self._inputs.texts([text], role, limits, Prompting())[0] for role, text in texts.items()}
        rows = self.embedder.embed({role: [item] for role, item in inputs.items()}, job)
        tokens = {
            role: [self._tokenizer.token(int(token)) for token in item.input_ids[self._inputs.is_scored(item, role)]]
            for role, item in inputs.items()
        }
        products = on_host(rows["query"][0] @ rows["document"][0].T)
        return TokenSimilarity(tokens["query"], tokens["document"], products, sum(map(len, inputs.values())))

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[Token]:
        """A text's tokens, with the special ones of a text by itself, whatever the model's layouts and prompts are."""
        return self._tokenizer.tokenize(text, add_special_tokens=add_special_tokens)

    def detokenize(self, tokens: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of token ids."""
        return self._tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens)

    def close(self) -> None:
        """Finish what is running and release the workers."""
        self._session.close()

    def _score_pairs(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        use_activation: bool,
        limits: Truncation,
        prompting: Prompting,
        job: Job | None,
    ) -> Scores:
        if len(queries) == 1:
            queries = list(queries) * len(documents)
        inputs = self._session.share(self._inputs.pairs(queries, documents, limits, prompting), queries)
        return Scores(self._activated(self._session.run(inputs, job), use_activation), sum(_lengths(inputs)))

    def _activated(self, rows: list[Floats], use_activation: bool) -> Floats:
        logits = np.array(rows, dtype=np.float32)
        return sigmoid(logits) if use_activation and self.manifest.activation == "sigmoid" else logits

    def _require(self, score_type: str, task: str) -> None:
        if self.manifest.score_type != score_type:
            tasks = {"cross-encoder": ["classify"], "late-interaction": ["token_embed"], "bi-encoder": ["embed"]}
            raise UnsupportedTask(task, tasks[self.manifest.score_type])


def _lengths(inputs: Sequence[Input]) -> list[int]:
    return [len(item) for item in inputs]
