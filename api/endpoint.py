"""Defines what a path does: the shapes it takes and gives, and the function between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine import Engine, Index, Job, ScoreType

from .errors import InvalidRequest, WrongModel
from .limits import Gate, Limits
from .media.reading import RequestMedia
from .models import Models
from .observing.record import Record
from .words import Words

Fields = Mapping[str, msgspec.Raw]
Headers = Mapping[str, str]


def has(fields: Fields, *names: str) -> bool:
    """Whether a body says anything in one of those fields: null is as if it were left out."""
    return any(bytes(fields.get(name, b"null")) != b"null" for name in names)


@dataclass(frozen=True, slots=True)
class Binary:
    """An answer that is bytes, not JSON, and what its own headers say."""

    parts: Sequence[bytes]
    """Those that follow one another."""
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way to its answer, and what it may use."""

    models: Models
    limits: Limits
    gate: Gate
    headers: Headers
    parameters: Mapping[str, str]
    """The query string's."""
    places: Mapping[str, str]
    """What stands in the request's path where the endpoint's has a place for it, by the place's name."""
    job: Job
    media: RequestMedia
    """What reads the request's images."""
    record: Record

    def engine(self, model: str | None, score_type: ScoreType | None = None) -> tuple[str, Engine]:
        """The engine a request asks for, and the name it asked by.

        Raises `UnknownModel`, and `WrongModel` where the path is for models of `score_type` and it is another.
        """
        self.record.model, engine = self.models.get(model, score_type)
        name = model or self.record.model
        if score_type is not None and engine.manifest.scoring is not score_type:
            raise WrongModel(name, engine.manifest.score_type, score_type.name)
        return name, engine

    def index(self, model: str) -> Index:
        """The index of a model that `engine` has found. Raises `InvalidRequest` where it has none."""
        served, _ = self.models.get(model)
        if served not in self.models.indexes:
            raise InvalidRequest(
                f"The model `{model}` has no index of documents: send documents, or start the server with --index.",
                "body.document_ids",
            )
        return self.models.indexes[served]

    def count(self, pairs: int, parameter: str) -> None:
        """Note how many pairs or texts the request's `parameter` asks for. Raises `InvalidRequest` for too many."""
        self.record.pairs = pairs
        if pairs > self.limits.max_documents:
            raise InvalidRequest(
                f"{parameter} has {pairs:,} entries, more than the {self.limits.max_documents:,} of one request: "
                "send several requests.",
                f"body.{parameter}",
            )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to use a path. `request` is the type of the body (None: there is none), `response` of the answer.

    A path may have places, as Starlette writes them: `{model:path}`.

    `answer` blocks until the scores are there; it raises `RequestError` and the engine's `ScoreRTError`. An answer of
    None is an empty body, and `Binary` one that is not JSON. Where several endpoints share a path, the first whose
    `when` holds for a body's fields and the headers answers; `told_by` says the same in words.
    """

    method: str
    paths: tuple[str, ...]
    dialect: str
    summary: str
    response: Any
    answer: Callable[[Any, Call], Any]
    request: Any = None
    when: Callable[[Fields, Headers], bool] | None = None
    told_by: str = ""
    example: Mapping[str, Any] | None = None
    """A body that is this endpoint's, for OpenAPI."""
    words: Words = field(default_factory=Words)
    """What the body calls the engine's arguments."""
    kinds: tuple[type[msgspec.Struct], ...] = ()
    """What the body may turn out to be, where `request` leaves that open."""

    @property
    def fields(self) -> frozenset[str]:
        """What its body's fields are called."""
        kinds = self.kinds or (self.request,)
        return frozenset(name for kind in kinds for name in getattr(kind, "__struct_encode_fields__", ()))
