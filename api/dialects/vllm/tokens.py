"""Answers `/tokenize` and `/detokenize`: a model's tokens of a text, and back (vLLM)."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...endpoint import Call, Endpoint
from ...errors import InvalidRequest
from ...wire.requiring import require


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """`prompt` is one text; `add_special_tokens` puts around it what the tokenizer puts around a text by itself.

    `messages` are refused.
    """

    prompt: str | UnsetType = UNSET
    model: str | None = None
    messages: list[Any] | None = None
    add_special_tokens: bool = True
    return_token_strs: bool | None = None


class TokenizeResponse(msgspec.Struct, frozen=True):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class DetokenizeRequest(msgspec.Struct, kw_only=True):
    tokens: list[int]
    model: str | None = None


class DetokenizeResponse(msgspec.Struct, frozen=True):
    prompt: str


def tokenize(request: TokenizeRequest, call: Call) -> TokenizeResponse:
    """Answer one request."""
    _, engine = call.engine(request.model)
    require(request, messages=None)
    if request.prompt is UNSET:
        raise InvalidRequest("prompt is missing: add it.", "body.prompt")
    tokens = engine.tokenize(request.prompt, add_special_tokens=request.add_special_tokens, job=call.job)
    return TokenizeResponse(
        count=len(tokens),
        max_model_len=engine.manifest.max_length,
        tokens=[token.id for token in tokens],
        token_strs=[token.text for token in tokens] if request.return_token_strs else None,
    )


def detokenize(request: DetokenizeRequest, call: Call) -> DetokenizeResponse:
    """Answer one request."""
    _, engine = call.engine(request.model)
    return DetokenizeResponse(engine.detokenize(request.tokens, job=call.job))


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/tokenize",),
        dialect="vLLM",
        summary="The tokens of a text",
        request=TokenizeRequest,
        example={"prompt": "Paris is in France."},
        response=TokenizeResponse,
        answer=tokenize,
    ),
    Endpoint(
        method="POST",
        paths=("/detokenize",),
        dialect="vLLM",
        summary="The text of tokens",
        request=DetokenizeRequest,
        example={"tokens": [101, 3000, 102]},
        response=DetokenizeResponse,
        answer=detokenize,
    ),
)
