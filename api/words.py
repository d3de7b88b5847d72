"""Puts the engine's complaints in a body's words: each dialect has names of its own for what the engine is told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from engine import InputTooLong, InvalidInput, ScoreArguments

from .errors import InvalidRequest

_ARGUMENTS = re.compile(rf"\b({'|'.join([*ScoreArguments.__optional_keys__, 'dimensions', 'top_n'])})\b")

_REFUSES = "refuse"
_CUTS = 'long_documents to "truncate"'


@dataclass(frozen=True, slots=True)
class Words:
    """What a body calls the engine's arguments where that is something else, "parameters.dimension" say.

    `cutting` is what its client sets so that long texts are cut, such as "truncate to true", where that is not
    `truncate_prompt_tokens`.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    cutting: str | None = None

    def said(self, error: InvalidInput, request: msgspec.Struct) -> InvalidInput | InvalidRequest:
        """The same complaint about a request. What might be set besides is left out where its body has no room for
        it."""
        if isinstance(error, InputTooLong):
            return self._too_long(error, request)
        remedy, parameter = error.remedy, error.parameter
        if remedy is not None and not _has(request, remedy):
            remedy = None
        if parameter is not None:
            parameter = self.arguments.get(parameter, parameter)
            parameter = _top(parameter) if _has(request, parameter) else None
        return InvalidInput(self._translated(error.plain), parameter, remedy)

    def _too_long(self, error: InputTooLong, request: msgspec.Struct) -> InvalidInput | InvalidRequest:
        remedy, own = self.cutting, _has(request, "truncate_prompt_tokens")
        if _has(request, "long_documents"):
            refuses = request.long_documents == _REFUSES  # type: ignore[attr-defined]
            remedy = _CUTS if refuses or (remedy is None and not own) else remedy
        if own and remedy is None:
            return error
        sentence = error.plain if own else f"An input has {error.size}, more than this model takes: shorten it."
        if remedy is None:
            return InvalidInput(sentence)
        return InvalidRequest(f"{sentence.removesuffix('.')}, or set {remedy}.", f"body.{_top(remedy)}")

    def _translated(self, sentence: str) -> str:
        return _ARGUMENTS.sub(lambda found: self.arguments.get(found[0], found[0]), sentence)


def _has(request: msgspec.Struct, name: str) -> bool:
    """Whether a body has the field that a name or a path begins with."""
    return _top(name) in {own.encode_name for own in msgspec.structs.fields(request)}


def _top(name: str) -> str:
    return name.partition(" ")[0].partition(".")[0]
