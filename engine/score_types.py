"""Tells what each of vLLM's three score types can do: https://docs.vllm.ai/en/latest/models/pooling_models/scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .arrays import Floats
from .vectors.maxsim import maxsim
from .vectors.similarity import Similarity, similarity

ScoreTypeName = Literal["cross-encoder", "late-interaction", "bi-encoder"]
Task = Literal["classify", "token_embed", "embed"]
Output = Literal["logits", "token_embeddings", "embeddings"]
"""The name of a graph's output: float32 `[batch]`, `[batch, tokens, dim]` or `[batch, dim]`."""

Compare: TypeAlias = Callable[[Floats, Sequence[Floats], Similarity | None], Floats]
"""A query's scores float32 `[documents]`, from what was computed of it and of each document."""


@dataclass(frozen=True, slots=True)
class ScoreType:
    """One way from a query and a document to a score.

    `output` is what a graph gives for it. `task` is what vLLM calls giving a text's own output to a client. `compare`
    is None where query and document are read together, so that the graph's output is the score's logit already.
    """

    name: ScoreTypeName
    task: Task
    output: Output
    compare: Compare | None

    @property
    def reads_pairs(self) -> bool:
        """Whether one input holds a query and a document, and not one text."""
        return self.compare is None

    @property
    def by_token(self) -> bool:
        """Whether the output has a row for each token."""
        return self.output == "token_embeddings"

    @property
    def unit(self) -> str:
        """What one input is, in the plural."""
        return "pairs" if self.reads_pairs else "texts"


CROSS_ENCODER = ScoreType("cross-encoder", "classify", "logits", compare=None)
LATE_INTERACTION = ScoreType(
    "late-interaction", "token_embed", "token_embeddings", lambda query, documents, _: maxsim(query, documents)
)
BI_ENCODER = ScoreType("bi-encoder", "embed", "embeddings", similarity)

SCORE_TYPES: dict[ScoreTypeName, ScoreType] = {
    score_type.name: score_type for score_type in (CROSS_ENCODER, LATE_INTERACTION, BI_ENCODER)
}
