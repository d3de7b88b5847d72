"""The engine: an artifact and text in, scores out."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from . import providers
from .artifact import TOKENIZER, Graph, Manifest, TextLayout, read_manifest, select_graph
from .errors import InvalidInput, ProviderError, UnsupportedTask
from .inputs import aligned, listed, pair_inputs, text_inputs
from .layout import Input, Truncation, truncation
from .maxsim import maxsim
from .results import Embeddings, Ranked, Ranking, Scores, TokenEmbeddings
from .session import Session, schedule_for
from .similarity import normalized, sigmoid, similarity
from .template import Prompting, ScoreTemplate
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
    - `instruction`, `chat_template_kwargs`: what the score template is told besides the pair. A bi-encoder whose query
      prompt has an instruction takes another one for it.

    With a score template truncation shortens the document first and then the query, and "left" their beginnings.

    All raise `InvalidInput` for arguments that cannot be met.
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
        self._template = template

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        precision: str | None = None,
        provider: str = "cpu",
        threads: int | None = None,
        chat_template: str | None = None,
    ) -> Self:
        """Open an artifact's folder, after checking its manifest and the hash of every file.

        `precision` picks one of several graphs (default: the first that was exported). `provider` is "cpu", "cuda" or
        "tensorrt", or several with commas, to fall back to the next where one is not there. `threads` defaults to the
        machine's cores. `chat_template` is the text of a score template, for a cross-encoder to use instead of its own.
        Raises `ArtifactError` and `ProviderError`.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        graph = select_graph(manifest, precision)
        tokenizer = Tokenizer(folder / TOKENIZER)
        template = ScoreTemplate.of(folder, manifest, tokenizer, chat_template)

        def open_on(name: str) -> Session:
            return Session(folder, graph, name, manifest.pad_token, schedule_for(name, graph.max_batch, threads))

        *preferred, last = providers.built_in(provider)
        for name in preferred:
            with suppress(ProviderError):
                return cls(manifest, graph, name, open_on(name), tokenizer, template)
        return cls(manifest, graph, last, open_on(last), tokenizer, template)

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
    ) -> Scores:
        """The score of each query with the document beside it: 1:1, 1:N (one query for all), or N:N.

        `use_activation=False` gives a cross-encoder's logits as they are; it changes nothing for the other score
        types.
        """
        queries, documents = aligned(queries, documents)
        limits = truncation(
            self.manifest.max_length, truncate_prompt_tokens, truncation_side, max_tokens_per_query, max_tokens_per_doc
        )
        prompting = Prompting(instruction, chat_template_kwargs)
        if self.manifest.pair is not None:
            return self._score_pairs(queries, documents, use_activation, limits, prompting)
        return self._score_embedded(queries, documents, limits, prompting)

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
        instruction: str | None = None,
        dimensions: int | None = None,
    ) -> Embeddings:
        """A bi-encoder's embedding of each text, with the prompt the checkpoint has for `role`.

        `dimensions` cuts the embeddings of a Matryoshka model (https://arxiv.org/abs/2205.13147), and normalises them
        anew where it does so itself. Raises `UnsupportedTask` for the other score types.
        """
        self._require("bi-encoder", "embed")
        self._check_dimensions(dimensions)
        limits = truncation(self.manifest.max_length, truncate_prompt_tokens, truncation_side, None, None)
        inputs = self._inputs(listed(texts), role, limits, Prompting(instruction))
        embeddings = np.stack(self._session.run(inputs))[:, :dimensions]
        if dimensions is not None and self.manifest.normalized:
            embeddings = normalized(embeddings)
        return Embeddings(embeddings, [len(item) for item in inputs])

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
        inputs = self._inputs(listed(texts), role, limits, Prompting())
        embeddings = [
            self._scored_tokens(row, item, role) for row, item in zip(self._session.run(inputs), inputs, strict=True)
        ]
        return TokenEmbeddings(embeddings, [len(item) for item in inputs])

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
    ) -> Scores:
        assert self.manifest.pair is not None
        if len(queries) == 1:
            queries = list(queries) * len(documents)
        if self._template is not None:
            inputs = self._template.inputs(queries, documents, limits, prompting)
        else:
            prompting.refuse()
            inputs = pair_inputs(self._tokenizer, self.manifest.pair, queries, documents, limits)
        logits = np.array(self._session.run(inputs), dtype=np.float32)
        scores = sigmoid(logits) if use_activation and self.manifest.activation == "sigmoid" else logits
        return Scores(scores, sum(len(item) for item in inputs))

    def _score_embedded(
        self, queries: Sequence[str], documents: Sequence[str], limits: Truncation, prompting: Prompting
    ) -> Scores:
        sides: dict[Role, list[str]] = {
            "query": list(dict.fromkeys(queries)),
            "document": list(dict.fromkeys(documents)),
        }
        inputs: dict[Role, list[Input]] = {
            "query": self._inputs(sides["query"], "query", limits, prompting),
            "document": self._inputs(sides["document"], "document", limits, Prompting()),
        }
        rows = self._session.run([*inputs["query"], *inputs["document"]])
        split = len(inputs["query"])
        if self.manifest.score_type == "late-interaction":
            laid_out: list[tuple[Role, Input]] = [(role, item) for role in sides for item in inputs[role]]
            rows = [self._scored_tokens(row, item, role) for row, (role, item) in zip(rows, laid_out, strict=True)]
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

    def _check_dimensions(self, dimensions: int | None) -> None:
        """Raises `InvalidInput` for a size that embeddings were not trained to be cut to."""
        sizes = self.manifest.matryoshka
        if dimensions is None:
            return
        if sizes is None:
            raise InvalidInput(
                "dimensions cuts the embeddings of Matryoshka models, and this is none: leave it out.", "dimensions"
            )
        full = self.manifest.dimension or dimensions
        if not (dimensions in (*sizes, full) or (not sizes and 1 <= dimensions <= full)):
            wanted = f"one of {', '.join(map(str, sizes))}" if sizes else f"from 1 to {full}"
            raise InvalidInput(f"dimensions must be {wanted} for this model, not {dimensions}.", "dimensions")

    def _inputs(self, texts: Sequence[str], role: Role, limits: Truncation, prompting: Prompting) -> list[Input]:
        layout = self._layout(role)
        prompting.refuse(instructed=layout.instruction is not None)
        limit = limits.query if role == "query" else limits.document
        return text_inputs(self._tokenizer, layout, texts, limits, limit, prompting.instruction)

    def _scored_tokens(self, embeddings: Floats, item: Input, role: Role) -> Floats:
        """Drop the embeddings MaxSim must not see: the skipped tokens'."""
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


def _documents_of(queries: Sequence[str], documents: int) -> dict[str, list[int]]:
    """Each distinct query's documents, by index, so that they are compared with it all at once."""
    if len(queries) == 1:
        return {queries[0]: list(range(documents))}
    own: dict[str, list[int]] = {}
    for index, query in enumerate(queries):
        own.setdefault(query, []).append(index)
    return own
