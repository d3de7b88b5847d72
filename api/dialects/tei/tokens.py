"""Answers `/tokenize` and `/decode`: a model's tokens of texts, and back (TEI)."""

from typing import cast

import msgspec

from engine import Engine, Token

from ...endpoint import Call, Endpoint, has
from ...errors import InvalidField, InvalidRequest
from ...wire.vectors import role
from .common import DIALECT, PromptName


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """`add_special_tokens` puts around each text what the tokenizer puts around a text by itself.

    `prompt_name` names the prompt that texts begin with, as those of `/embed` do.
    """

    inputs: str | list[str]
    add_special_tokens: bool = True
    prompt_name: PromptName | None = None
    model: str | None = None


class SimpleToken(msgspec.Struct, frozen=True):
    """A token. `text` is its part of the input, from character `start` to before `stop`, or a special token's name."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class DecodeRequest(msgspec.Struct, kw_only=True):
    """The token ids of a text, or of several."""

    ids: list[int | list[int]]
    skip_special_tokens: bool = True
    model: str | None = None


def tokenize(request: TokenizeRequest, call: Call) -> list[list[SimpleToken]]:
    """Answer one request, with a list for each text."""
    _, engine = call.engine(request.model)
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    call.count(len(texts), "inputs")
    if request.prompt_name is not None:
        prompt = _prompt(engine, request.prompt_name)
        texts = [prompt + text for text in texts]
    tokens: list[list[SimpleToken]] = []
    for text in texts:
        own = engine.tokenize(text, add_special_tokens=request.add_special_tokens, job=call.job)
        tokens.append([_simple(token, text) for token in own])
        call.job.check(sum(map(len, tokens)))
    return tokens


def _prompt(engine: Engine, name: PromptName) -> str:
    """What the texts of a role begin with. Raises `InvalidRequest` for cross-encoders, which have no roles."""
    layout = engine.manifest.query if role(name) == "query" else engine.manifest.document
    if layout is None:
        raise InvalidRequest("prompt_name is for embedders: leave it out, or name one.", "body.prompt_name")
    return layout.prompt


def _simple(token: Token, text: str) -> SimpleToken:
    if token.special:
        return SimpleToken(token.id, token.text, True, None, None)
    return SimpleToken(token.id, text[token.start : token.stop], False, token.start, token.stop)


def decode(request: DecodeRequest, call: Call) -> list[str]:
    """Answer one request, with a text for each list of ids."""
    _, engine = call.engine(request.model)
    several = _several(request.ids)
    call.count(len(several), "ids")
    call.job.check(sum(map(len, several)))
    return [engine.detokenize(ids, skip_special_tokens=request.skip_special_tokens, job=call.job) for ids in several]


def _several(ids: list[int | list[int]]) -> list[list[int]]:
    """Raises `InvalidField` where tokens and lists of them are mixed up."""
    if all(isinstance(token, int) for token in ids):
        return [cast("list[int]", ids)]
    if any(isinstance(token, int) for token in ids):
        raise InvalidField("ids must be a list of token ids, or a list of such lists.", "body.ids")
    return cast("list[list[int]]", ids)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/tokenize",),
        dialect=DIALECT,
        summary="The tokens of texts",
        request=TokenizeRequest,
        example={"inputs": "Paris is in France."},
        response=list[list[SimpleToken]],
        answer=tokenize,
        when=lambda fields, headers: has(fields, "inputs"),
        told_by="a body with `inputs`",
    ),
    Endpoint(
        method="POST",
        paths=("/decode",),
        dialect=DIALECT,
        summary="The texts of tokens",
        request=DecodeRequest,
        example={"ids": [101, 3000, 102]},
        response=list[str],
        answer=decode,
    ),
)
