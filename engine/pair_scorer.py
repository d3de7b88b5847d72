"""Scores pairs with a cross-encoder, and classifies texts."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from .arrays import Floats
from .artifact.artifact import Manifest
from .chunk_scores import by_document, chunks_of, inputs_of, repeated
from .content import ReadContent
from .inputs import InputBuilder, ReadInput
from .job import Job
from .prompts.template import Prompting
from .results import Classes, Scores
from .runtime.opened import Opened
from .text.chunking import Chunking
from .text.layout import Input
from .text.truncation import Truncation
from .vectors.similarity import sigmoid
from .vision import Vision


class PairScorer:
    """What one artifact's classifier says of pairs and texts. Thread-safe."""

    def __init__(self, manifest: Manifest, builder: InputBuilder, opened: Opened, vision: Vision | None) -> None:
        self._manifest = manifest
        self._builder = builder
        self._runner = opened.runner
        self._run = opened.workers.run if vision is None else vision.run

    def score(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
        chunking: Chunking | None,
        use_activation: bool,
    ) -> Scores:
        """The score of each query with the document beside it, or of the one query with every document.

        With `chunking` a document that is too long has the largest score of its chunks. Raises as `Workers.run`.
        """
        if len(queries) == 1:
            queries = list(queries) * len(documents)
        splits = None
        if chunking is None:
            pairs = self._builder.pairs(queries, documents, limits, prompting)
        else:
            splits = self._builder.split_pairs(queries, documents, limits, prompting, chunking)
            pairs, queries = cast(list[Input], inputs_of(splits)), repeated(queries, splits)
        inputs = self._runner.share(pairs, queries)
        scores = self._activated(self._logits(inputs, limits.job), use_activation)
        tokens = sum(item.tokens for item in inputs)
        if splits is None:
            return Scores(scores, tokens)
        of_chunks = by_document(scores, splits)
        best = np.array([own.max() for own in of_chunks], np.float32)
        return Scores(best, tokens, chunks_of(documents, splits, of_chunks))

    def classify(self, texts: Sequence[ReadInput], limits: Truncation, use_activation: bool) -> Classes:
        """What is said of each text by itself. Raises as `InputBuilder.singles` and `Workers.run`."""
        inputs = self._builder.singles(texts, limits)
        logits = self._logits(inputs, limits.job)
        return Classes(self._activated(logits, use_activation), [item.tokens for item in inputs])

    def _logits(self, inputs: Sequence[Input], job: Job) -> Floats:
        job.submit([item.tokens for item in inputs])
        return np.array(self._run(inputs, job), dtype=np.float32)

    def _activated(self, logits: Floats, use_activation: bool) -> Floats:
        return sigmoid(logits) if use_activation and self._manifest.activation == "sigmoid" else logits
