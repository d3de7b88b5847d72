"""The engine: an artifact and text in, scores out."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from . import providers
from .artifact import TOKENIZER, Graph, Manifest, TextLayout, read_manifest, select_graph
from .errors import InvalidInput, ProviderError, UnsupportedTask
from .layout import Input, Truncation, lay_out_pair, lay_out_text, truncation
from .maxsim import maxsim
from .results import Embeddings, Ranked, Ranking, Scores, TokenEmbeddings
from .session import Session, schedule_for
from .tokenizer import Tokenizer

Floats = NDArray[np.float32]
Role = Literal["query", "document"]


class Engine:
    """Scores of one artifact. Thread-safe; open it once and share it.

    The keyword arguments of scoring calls mean the same everywhere:

    - `truncate_prompt_tokens`: cut inputs to that many tokens, special ones included; -1 for the model's maximum.
      Without it a longer input raises `InputTooLong`. A pair gives way longest first.
    - `truncation_side`: "right" (the default) keeps the beginning of each text, "left" the end of the whole input.
    - `max_tokens_per_query`, `max_tokens_per_doc`: keep that many of a text's own tokens; 0 keeps all.

    All raise `InvalidInput` for arguments that cannot be met.
    """

    def __init__(self, manifest: Manifest, graph: Graph, provider: str, session: Session, tokenizer: Tokenizer) -> None:
        """An engine of parts that are open already; `Engine.load` opens them."""
        self.manifest = manifest
        self.graph = graph
        self.provider = provider
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(
        cls, path: str | Path, *, precision: str | None = None, provider: str = "cpu", threads: int | None = None
    ) -> Self:
        """Open an artifact's folder, after checking its manifest and the hash of every file.

        `precision` picks one of several graphs (default: the first that was exported). `provider` is "cpu", "cuda" or
        "tensorrt", or several with commas, to fall back to the next where one is not there. `threads` defaults to the
        machine's cores. Raises `ArtifactError` and `ProviderError`.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        graph = select_graph(manifest, precision)
        tokenizer = Tokenizer(folder / TOKENIZER)
        *preferred, last = providers.built_in(provider)
        for name in preferred:
            with suppress(ProviderError):
                return cls._open(folder, manifest, graph, name, threads, tokenizer)
        return cls._open(folder, manifest, graph, last, threads, tokenizer)

    @classmethod
    def _open(
        cls, folder: Path, manifest: Manifest, graph: Graph, provider: str, threads: int | None, tokenizer: Tokenizer
    ) -> Self:
        schedule = schedule_for(provider, graph.max_batch, threads)
        session = Session(folder, graph, provider, manifest.pad_token, schedule)
        return cls(manifest, graph, provider, session, tokenizer)

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
    ) -> Scores:
        """The score of each query with the document beside it: 1:1, 1:N (one query for all), or N:N.

        `use_activation=False` gives a cross-encoder's logits as they are; it changes nothing for the other score
        types.
        """
        queries, documents = _aligned(queries, documents)
        limits = truncation(
            self.manifest.max_length, truncate_prompt_tokens, truncation_side, max_tokens_per_query, max_tokens_per_doc
        )
        if self.manifest.pair is not None:
            return self._score_pairs(queries, documents, use_activation, limits)
        return self._score_embedded(queries, documents, limits)

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
    ) -> Ranking:
        """Documents by falling score for `query`, the first `top_n` of them (None or 0: all)."""
        if top_n is not None and top_n < 0:
            raise InvalidInput("top_n must be greater than or equal to 0.", "top_n")
        scored = self.score(
            query,
            documents,
            use_activation=use_activation,
            truncate_prompt_tokens=truncate_prompt_tokens,
            truncation_side=truncation_side,
            max_tokens_per_query=max_tokens_per_query,
            max_tokens_per_doc=max_tokens_per_doc,
        )
        order = np.argsort(-scored.scores, kind="stable")[: top_n or None]
        return Ranking([Ranked(int(index), float(scored.scores[index])) for index in order], scored.tokens)

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        role: Role = "document",
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
    ) -> Embeddings:
        """A bi-encoder's embedding of each text, with the prompt the checkpoint has for `role`.

        Raises `UnsupportedTask` for the other score types.
        """
        self._require("bi-encoder", "embed")
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs(_listed(texts), role, limits)
        return Embeddings(np.stack(self._session.run(inputs)), [len(item) for item in inputs])

    def embed_tokens(
        self,
        texts: str | Sequence[str],
        *,
        role: Role = "document",
        truncate_prompt_tokens: int | None = None,
        truncation_side: str | None = None,
    ) -> TokenEmbeddings:
        """A late-interaction model's token embeddings of each text, marked and expanded as `role` asks.

        Raises `UnsupportedTask` for the other score types.
        """
        self._require("late-interaction", "token_embed")
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs(_listed(texts), role, limits)
        embeddings = [
            self._scored_tokens(row, item, role) for row, item in zip(self._session.run(inputs), inputs, strict=True)
        ]
        return TokenEmbeddings(embeddings, [len(item) for item in inputs])

    def close(self) -> None:
        """Finish what is running and release the workers."""
        self._session.close()

    def _score_pairs(
        self, queries: Sequence[str], documents: Sequence[str], use_activation: bool, limits: Truncation
    ) -> Scores:
        assert self.manifest.pair is not None
        ids = self._tokenizer.encode([*queries, *documents])
        query_ids, document_ids = ids[: len(queries)], ids[len(queries) :]
        if len(queries) == 1:
            query_ids = query_ids * len(documents)
        inputs = [
            lay_out_pair(query, document, self.manifest.pair, limits)
            for query, document in zip(query_ids, document_ids, strict=True)
        ]
        logits = np.array(self._session.run(inputs), dtype=np.float32)
        scores = sigmoid(logits) if use_activation and self.manifest.activation == "sigmoid" else logits
        return Scores(scores, sum(len(item) for item in inputs))

    def _score_embedded(self, queries: Sequence[str], documents: Sequence[str], limits: Truncation) -> Scores:
        sides: dict[Role, list[str]] = {
            "query": list(dict.fromkeys(queries)),
            "document": list(dict.fromkeys(documents)),
        }
        inputs = {role: self._inputs(texts, role, limits) for role, texts in sides.items()}
        rows = self._session.run([*inputs["query"], *inputs["document"]])
        split = len(inputs["query"])
        query_rows = dict(zip(sides["query"], rows[:split], strict=True))
        document_rows = dict(zip(sides["document"], rows[split:], strict=True))
        lengths = {role: dict(zip(sides[role], map(len, inputs[role]), strict=True)) for role in sides}
        tokens = sum(lengths["query"][text] for text in queries) + sum(lengths["document"][text] for text in documents)

        if self.manifest.score_type == "late-interaction":
            for text, item in zip(sides["document"], inputs["document"], strict=True):
                document_rows[text] = self._scored_tokens(document_rows[text], item, "document")
        scores = np.empty(len(documents), np.float32)
        for query, own in _documents_of(queries, len(documents)).items():
            scores[own] = self._similarity(query_rows[query], [document_rows[documents[i]] for i in own])
        return Scores(scores, tokens)

    def _similarity(self, query: Floats, documents: list[Floats]) -> Floats:
        if self.manifest.score_type == "late-interaction":
            return maxsim(query, documents)
        stacked = np.stack(documents)
        if self.manifest.similarity == "cosine":
            query = query / max(float(np.linalg.norm(query)), _TINY)
            stacked = stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), _TINY)
        similarity: Floats = stacked @ query
        return similarity

    def _inputs(self, texts: Sequence[str], role: Role, limits: Truncation) -> list[Input]:
        layout = self._layout(role)
        limit = limits.query if role == "query" else limits.document
        ids = self._tokenizer.encode([layout.prompt + text for text in texts])
        return [lay_out_text(text, layout, limits, limit) for text in ids]

    def _scored_tokens(self, embeddings: Floats, item: Input, role: Role) -> Floats:
        """Drop the embeddings MaxSim must not see: a document's skipped tokens."""
        skip = self._layout(role).skip
        return embeddings[~np.isin(item.input_ids, skip)] if skip else embeddings

    def _layout(self, role: Role) -> TextLayout:
        layout = self.manifest.query if role == "query" else self.manifest.document
        assert layout is not None, "cross-encoders were told apart before"
        return layout

    def _require(self, score_type: str, task: str) -> None:
        if self.manifest.score_type != score_type:
            tasks = {"cross-encoder": ["classify"], "late-interaction": ["token_embed"], "bi-encoder": ["embed"]}
            raise UnsupportedTask(task, tasks[self.manifest.score_type])


# The smallest norm divided by, as in torch.nn.functional.cosine_similarity.
_TINY = 1e-8


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-logits)), without overflow for large negative logits."""
    scores: Floats = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
    return scores


def _documents_of(queries: Sequence[str], documents: int) -> dict[str, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    own: dict[str, list[int]] = {}
    for index, query in enumerate(queries):
        own.setdefault(query, []).append(index)
    return own


def _listed(texts: str | Sequence[str]) -> Sequence[str]:
    texts = [texts] if isinstance(texts, str) else texts
    if not texts:
        raise InvalidInput("At least one text must be given")
    return texts


def _aligned(queries: str | Sequence[str], documents: str | Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Queries and documents as lists of 1:1, 1:N or N:N texts."""
    queries = [queries] if isinstance(queries, str) else queries
    documents = [documents] if isinstance(documents, str) else documents
    if len(queries) == 0:
        raise InvalidInput("At least one text element must be given")
    if len(documents) == 0:
        raise InvalidInput("At least one text_pair element must be given")
    if len(queries) not in (1, len(documents)):
        raise InvalidInput("Input lengths must be either 1:1, 1:N or N:N")
    return queries, documents
