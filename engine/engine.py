"""The engine: an artifact and text in, scores out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from . import matryoshka, providers
from .artifact import TOKENIZER, Graph, Manifest, Role, read_manifest, select_graph
from .errors import InvalidInput, ProviderError, UnsupportedTask
from .inputs import Inputs, Text, aligned, listed
from .job import Job
from .layout import Input, Truncation, truncation
from .maxsim import maxsim
from .results import Classes, Embeddings, Floats, Ranked, Ranking, Scores, TokenEmbeddings, TokenSimilarity
from .scheduler import Batch, Waiting
from .session import Session, schedule_for, sharing_for
from .similarity import sigmoid, similarity
from .template import Prompting, ScoreTemplate
from .tokenizer import Token, Tokenizer


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
    ) -> None:
        """An engine of parts that are open already; `Engine.load` opens them."""
        self.manifest = manifest
        self.graph = graph
        self.provider = provider
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = Inputs(manifest, tokenizer, template)

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
    ) -> Self:
        """Open an artifact's folder, after checking its manifest and the hash of every file.

        `precision` picks one of several graphs (default: the first that was exported). `provider` is "cpu", "cuda" or
        "tensorrt", or several with commas, to fall back to the next where one is not there. `threads` defaults to the
        machine's cores. `chat_template` is the text of a score template, for a cross-encoder to use instead of its own.
        `max_waiting_tokens` bounds what may wait to be computed.
        Raises `ArtifactError` and `ProviderError`.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        graph = select_graph(manifest, precision)
        tokenizer = Tokenizer(folder / TOKENIZER)
        template = ScoreTemplate.of(folder, manifest, tokenizer, chat_template)

        def open_on(name: str) -> Session:
            schedule = schedule_for(name, graph.max_batch, threads, max_waiting_tokens)
            return Session(folder, graph, name, manifest.pad_token, schedule, sharing_for(name, graph))

        *preferred, last = providers.built_in(provider)
        for name in preferred:
            with suppress(ProviderError):
                return cls(manifest, graph, name, open_on(name), tokenizer, template)
        return cls(manifest, graph, last, open_on(last), tokenizer, template)

    @property
    def waiting(self) -> Waiting:
        """What waits to be computed now."""
        return self._session.waiting

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
        return self._score_embedded(queries, documents, limits, prompting, job)

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
            instruction=instruction,
            chat_template_kwargs=chat_template_kwargs,
            job=job,
        )
        order = np.argsort(-scored.scores, kind="stable")[: top_n or None]
        return Ranking([Ranked(int(index), float(scored.scores[index])) for index in order], scored.tokens)

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
        rows = np.stack(self._session.run(inputs, job))
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
        rows = self._session.run(inputs, job)
        embeddings = [self._inputs.scored(row, item, role) for row, item in zip(rows, inputs, strict=True)]
        return TokenEmbeddings(embeddings, _lengths(inputs))

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
        roles: tuple[Role, Role] = ("query", "document")
        inputs = [
            self._inputs.texts([text], role, limits, Prompting())[0]
            for text, role in zip((query, document), roles, strict=True)
        ]
        rows = self._session.run(inputs, job)
        embeddings, tokens = [], []
        for row, item, role in zip(rows, inputs, roles, strict=True):
            seen = self._inputs.is_scored(item, role)
            embeddings.append(row[seen])
            tokens.append([self._tokenizer.token(int(token)) for token in item.input_ids[seen]])
        products = embeddings[0] @ embeddings[1].T
        return TokenSimilarity(tokens[0], tokens[1], products, sum(_lengths(inputs)))

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

    def _score_embedded(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        limits: Truncation,
        prompting: Prompting,
        job: Job | None,
    ) -> Scores:
        sides: dict[Role, list[str]] = {
            "query": list(dict.fromkeys(queries)),
            "document": list(dict.fromkeys(documents)),
        }
        inputs: dict[Role, list[Input]] = {
            "query": self._inputs.texts(sides["query"], "query", limits, prompting),
            "document": self._inputs.texts(sides["document"], "document", limits, Prompting()),
        }
        rows = self._session.run([*inputs["query"], *inputs["document"]], job)
        split = len(inputs["query"])
        if self.manifest.score_type == "late-interaction":
            laid_out: list[tuple[Role, Input]] = [(role, item) for role in sides for item in inputs[role]]
            rows = [self._inputs.scored(row, item, role) for row, (role, item) in zip(rows, laid_out, strict=True)]
        query_rows = dict(zip(sides["query"], rows[:split], strict=True))
        document_rows = dict(zip(sides["document"], rows[split:], strict=True))
        lengths = {role: dict(zip(sides[role], map(len, inputs[role]), strict=True)) for role in sides}
        tokens = sum(lengths["query"][text] for text in queries) + sum(lengths["document"][text] for text in documents)

        scores = np.empty(len(documents), np.float32)
        for query, own in _documents_of(queries, len(documents)).items():
            scores[own] = self._similarity(query_rows[query], [document_rows[documents[i]] for i in own])
        return Scores(scores, tokens)

    def _similarity(self, query: Floats, documents: list[Floats]) -> Floats:
        if self.manifest.score_type == "late-interaction":
            return maxsim(query, documents)
        return similarity(query, documents, self.manifest.similarity)

    def _activated(self, rows: list[Floats], use_activation: bool) -> Floats:
        logits = np.array(rows, dtype=np.float32)
        return sigmoid(logits) if use_activation and self.manifest.activation == "sigmoid" else logits

    def _require(self, score_type: str, task: str) -> None:
        if self.manifest.score_type != score_type:
            tasks = {"cross-encoder": ["classify"], "late-interaction": ["token_embed"], "bi-encoder": ["embed"]}
            raise UnsupportedTask(task, tasks[self.manifest.score_type])


def _lengths(inputs: Sequence[Input]) -> list[int]:
    return [len(item) for item in inputs]


def _documents_of(queries: Sequence[str], documents: int) -> dict[str, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    own: dict[str, list[int]] = {}
    for index, query in enumerate(queries):
        own.setdefault(query, []).append(index)
    return own
