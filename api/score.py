"""`/score`: the score of each query with its document."""

import time

import msgspec
from msgspec import UNSET

from .decoding import decode
from .errors import InvalidRequest
from .ids import response_id
from .models import Models
from .schemas import Score, ScoreRequest, ScoreResponse, ScoreUsage, Texts
from .texts import plain_texts

_decoder = msgspec.json.Decoder(ScoreRequest)

# The names that go together, in the order they are looked for.
_SIDES = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))


def score(models: Models, body: bytes) -> ScoreResponse:
    """Answer one request. Blocks until its scores are there.

    Raises `RequestError` and the engine's `InvalidInput`.
    """
    request = decode(_decoder, body)
    model, engine = models.get(request.model)
    queries, documents = _sides(request)
    architecture = engine.manifest.architecture
    scored = engine.score(
        plain_texts(queries, architecture),
        plain_texts(documents, architecture),
        use_activation=request.use_activation is not False,
        truncate_prompt_tokens=request.truncate_prompt_tokens,
        truncation_side=request.truncation_side,
        max_tokens_per_query=request.max_tokens_per_query,
        max_tokens_per_doc=request.max_tokens_per_doc,
        instruction=request.instruction,
        chat_template_kwargs=request.chat_template_kwargs,
    )
    return ScoreResponse(
        id=response_id(request.request_id),
        created=int(time.time()),
        model=model,
        data=[Score(index=index, score=value) for index, value in enumerate(scored.scores.tolist())],
        usage=ScoreUsage(scored.tokens, scored.tokens),
    )


def _sides(request: ScoreRequest) -> tuple[Texts, Texts]:
    """Queries and documents, whatever the request calls them. Raises `InvalidRequest` where one is missing."""
    for names in _SIDES:
        first, second = (getattr(request, name) for name in names)
        if first is not UNSET and second is not UNSET:
            return first, second
    for first_name, second_name in _SIDES:
        first, second = getattr(request, first_name), getattr(request, second_name)
        if first is not UNSET or second is not UNSET:
            missing, given = (second_name, first_name) if second is UNSET else (first_name, second_name)
            raise InvalidRequest(f"{missing} is missing: give it beside {given}.", f"body.{missing}")
    raise InvalidRequest("queries and documents are missing: give both.", "body.queries")
