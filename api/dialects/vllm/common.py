"""Defines what the requests of vLLM's APIs have in common, and hands it on to the engine."""

from typing import Any, Self

import msgspec

from engine import LongDocuments, ScoreArguments, TextArguments

from ...endpoint import Call
from ...errors import MediaArguments
from ...wire.long_documents import Habit, long_document_arguments
from ...wire.requiring import require


class Common(msgspec.Struct, kw_only=True):
    """What every request may say. `priority`: the lower goes first. Limits are in tokens.

    `mm_processor_kwargs` and `media_io_kwargs` are refused: the model and the server say how images are read. So are
    `cache_salt`, a `padding` but "do_not_pad", and templates: the model's own says how a text is prompted.
    """

    model: str | None = None
    request_id: str | None = None
    priority: int | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: str | None = None
    mm_processor_kwargs: dict[str, Any] | None = None
    media_io_kwargs: dict[str, Any] | None = None
    padding: str | None = None
    cache_salt: str | None = None
    chat_template: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class Scoring(Common, kw_only=True):
    """`use_activation` null means true. `instruction` and `chat_template_kwargs` go to the model's score template.

    `long_documents`, `max_chunks_per_doc`, `chunk_overlap` and `return_chunks` are ScoreRT's own.
    """

    use_activation: bool | None = None
    max_tokens_per_query: int | None = None
    max_tokens_per_doc: int | None = None
    instruction: str | None = None
    long_documents: LongDocuments | None = None
    max_chunks_per_doc: int | None = None
    chunk_overlap: int | None = None
    return_chunks: bool | None = None


class CompletionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of all inputs, remembered ones too, with the fields that completions have."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: None = None
    completion_tokens_details: None = None

    @classmethod
    def of(cls, tokens: int) -> Self:
        return cls(prompt_tokens=tokens, total_tokens=tokens)


def common_arguments(request: Common, call: Call) -> TextArguments:
    """The keyword arguments that all of the engine's calls have. Raises `MediaArguments`, and as `require`."""
    for name in ("mm_processor_kwargs", "media_io_kwargs"):
        if getattr(request, name):
            raise MediaArguments(name)
    require(request, padding="do_not_pad", cache_salt=None, chat_template=None)
    if not isinstance(request, Scoring):
        require(request, chat_template_kwargs=None)
    call.job.priority = request.priority or 0
    return {
        "truncate_prompt_tokens": request.truncate_prompt_tokens,
        "truncation_side": request.truncation_side,
        "job": call.job,
    }


def scoring_arguments(
    request: Scoring, call: Call, *, truncation: bool | None = None, habit: Habit = "refuse"
) -> ScoreArguments:
    """The keyword arguments of the engine's `score` and `rerank`.

    `truncation` and `habit` are what a request says besides of long texts, and what its path does where it says
    nothing. Raises as `common_arguments` and `long_document_arguments`.
    """
    own = common_arguments(request, call)
    cut = request.truncate_prompt_tokens
    long = long_document_arguments(
        request,
        call,
        cuts=truncation if cut is None else True,
        habit=habit,
        field="truncation" if cut is None else "truncate_prompt_tokens",
        side=request.truncation_side,
    )
    return {
        **own,
        **long,
        "truncate_prompt_tokens": long["truncate_prompt_tokens"] if cut is None else cut,
        "use_activation": request.use_activation is not False,
        "max_tokens_per_query": request.max_tokens_per_query,
        "max_tokens_per_doc": request.max_tokens_per_doc,
        "instruction": request.instruction,
        "chat_template_kwargs": request.chat_template_kwargs,
    }
