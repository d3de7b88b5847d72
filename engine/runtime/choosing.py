"""Which provider is fastest here: each is tried on one made-up request."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..artifact import Manifest
from ..errors import ProviderError
from ..text.layout import Input, Truncation, lay_out_pair, lay_out_text
from .agreement import Floats, agree
from .gpu_arrays import on_host
from .session import Session

# What most requests are like: a query with 20 passages.
_DOCUMENTS, _QUERY_TOKENS, _DOCUMENT_TOKENS = 20, 10, 75
# Runs that are timed at most, and for how many seconds they are begun.
_RUNS, _SECONDS = 5, 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen provider's session. `paces` are inputs a second of the providers that could have been it, the fastest
    first; where there was no other, nothing was measured and it is empty."""

    provider: str
    session: Session
    paces: Mapping[str, float]


def choose(openers: Mapping[str, Callable[[], Session]], request: Sequence[Input], tolerance: float) -> Choice:
    """Opens a session on each provider, and keeps the one that runs the request fastest, through its own schedule.

    The first is the reference: it must work, and the output of others must be within `tolerance` of its. Those that do
    not start, fail or differ are passed over. All are open at a time, for some seconds. Raises `ProviderError`.
    """
    reference, *others = openers
    sessions = {reference: openers[reference]()}
    for name in others:
        try:
            sessions[name] = openers[name]()
        except ProviderError:
            continue
    if len(sessions) == 1:
        return Choice(reference, sessions[reference], {})
    try:
        paces = _paces(sessions, request, tolerance)
    except Exception as error:
        _close(sessions.values())
        raise ProviderError(f"{reference} does not run this model: {error}") from error
    fastest = max(paces, key=paces.__getitem__)
    _close(session for name, session in sessions.items() if name != fastest)
    return Choice(fastest, sessions[fastest], dict(sorted(paces.items(), key=lambda item: -item[1])))


def made_up_request(manifest: Manifest, vocabulary: int) -> list[Input]:
    """A query with 20 documents of 75 tokens, or 20 texts where they are embedded one by one; always the same.

    Their token ids are drawn from 0 to `vocabulary`, and laid out as the model reads them.
    """
    random = np.random.default_rng(0)
    texts: list[list[int]] = random.integers(vocabulary, size=(_DOCUMENTS, _DOCUMENT_TOKENS)).tolist()
    limits = Truncation(manifest.max_length, total=manifest.max_length)
    if manifest.pair is not None:
        query: list[int] = random.integers(vocabulary, size=_QUERY_TOKENS).tolist()
        return [lay_out_pair(query, text, manifest.pair, limits) for text in texts]
    assert manifest.document is not None, "an embedder has a layout for documents"
    return [lay_out_text(text, manifest.document, limits, None) for text in texts]


def _paces(sessions: Mapping[str, Session], request: Sequence[Input], tolerance: float) -> dict[str, float]:
    reference, *others = sessions
    want, pace = _measure(sessions[reference], request)
    paces = {reference: pace}
    for name in others:
        try:
            got, pace = _measure(sessions[name], request)
        except Exception:
            continue
        if agree(got, want, tolerance):
            paces[name] = pace
    return paces


def _measure(session: Session, request: Sequence[Input]) -> tuple[list[Floats], float]:
    """What the session makes of the request, and how many of its inputs a second, by the median run."""

    def run() -> list[Floats]:
        # Anew each time, because a prefix is computed once.
        return session.run(session.share(list(request), [""] * len(request)))

    # Not timed: a device may take longer to load its kernels than to run ten requests.
    rows = run()
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _SECONDS:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return [on_host(row) for row in rows], len(request) / statistics.median(times)


def _close(sessions: Iterable[Session]) -> None:
    for session in sessions:
        session.close()
