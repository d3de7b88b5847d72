"""The bodies of requests and responses, as they are on the wire."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Part(msgspec.Struct):
    """One part of a content: `type` "text" carries `text`; others (an image, say) only multimodal models read."""

    type: str
    text: str | None = None

    def __post_init__(self) -> None:
        if self.type == "text" and self.text is None:
            raise ValueError("must have text, being of type text")


class Item(msgspec.Struct):
    """A query or document that is not a bare string: `{"text": …}`, or `{"content": [parts]}`."""

    text: str | None = None
    content: list[Part] | None = None

    def __post_init__(self) -> None:
        if self.text is None and not self.content:
            raise ValueError("must have text or content")


Texts = str | Item | list[str | Item]


class Scoring(msgspec.Struct, kw_only=True):
    """What every scoring request may say. `use_activation` null means true; limits are in tokens.

    `instruction` and `chat_template_kwargs` go to the model's score template.
    """

    model: str | None = None
    request_id: str | None = None
    use_activation: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: str | None = None
    max_tokens_per_query: int | None = None
    max_tokens_per_doc: int | None = None
    instruction: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class ScoreRequest(Scoring, kw_only=True):
    """Two sides to score, 1:1, 1:N or N:N, under any of the pairs of names clients have for them."""

    queries: Texts | UnsetType = UNSET
    documents: Texts | UnsetType = UNSET
    items: Texts | UnsetType = UNSET
    text_1: Texts | UnsetType = UNSET
    text_2: Texts | UnsetType = UNSET
    data_1: Texts | UnsetType = UNSET
    data_2: Texts | UnsetType = UNSET


class RerankRequest(Scoring, kw_only=True):
    """Documents to put in order for one query. `top_n` null or 0 returns all of them."""

    query: str | Item
    documents: Texts
    top_n: int | None = None
    return_documents: bool | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens that were fed to the model."""

    prompt_tokens: int
    total_tokens: int


class ScoreUsage(Usage, frozen=True):
    completion_tokens: int = 0
    prompt_tokens_details: None = None
    completion_tokens_details: None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    object: str = "score"
    score: float


class ScoreResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Scores in the order of the documents. `created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Score]
    usage: ScoreUsage


class Document(msgspec.Struct, frozen=True):
    text: str
    multi_modal: None = None


class RerankResult(msgspec.Struct, frozen=True):
    index: int
    document: Document | UnsetType
    relevance_score: float


class RerankResponse(msgspec.Struct, frozen=True):
    """Results by falling score."""

    id: str
    model: str
    usage: Usage
    results: list[RerankResult]


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model_permission"
    created: int
    allow_create_engine: bool = False
    allow_sampling: bool = True
    allow_logprobs: bool = True
    allow_search_indices: bool = False
    allow_view: bool = True
    allow_fine_tuning: bool = False
    organization: str = "*"
    group: None = None
    is_blocking: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is when the artifact was exported, in seconds since 1970; `max_model_len` is in tokens."""

    id: str
    object: str = "model"
    created: int
    # What the vLLM API's clients expect here, whoever serves it.
    owned_by: str = "vllm"
    root: str
    parent: None = None
    max_model_len: int
    permission: list[Permission]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Model]
