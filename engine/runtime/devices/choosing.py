"""Chooses the provider that is fastest here, by trying each on one made-up request."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ...arrays import Floats
from ...artifact.artifact import Manifest
from ...errors import ProviderError
from ...job import Job
from ...text.layout import Input, lay_out_pair, lay_out_text
from ...text.truncation import Truncation
from ..agreement import agree
from ..opened import Opened
from .gpu_arrays import on_host

# The request that providers are tried on, a choice: a query with 20 passages, as rerankers get them.
_DOCUMENTS, _QUERY_TOKENS, _DOCUMENT_TOKENS = 20, 10, 75
# Runs that are timed at most, and for how many seconds they are begun: choices, so that trying takes no longer than
# opening.
_RUNS, _SECONDS = 5, 1.0


def choose(
    openers: Mapping[str, Callable[[], Opened]], request: Sequence[Input], tolerance: float
) -> tuple[Opened, Mapping[str, float]]:
    """Opens the graph on each provider, and keeps the one that runs the request fastest, through its own schedule.

    The first is the reference: it must work, and the output of others must be within `tolerance` of its. Those that do
    not start, fail or differ are passed over. All of them are open for some seconds.

    Also returns inputs a second of the providers that could have been it, the fastest first; where there was no other,
    nothing was measured and it is empty. Raises `ProviderError`.
    """
    reference, *others = openers
    opened = {reference: openers[reference]()}
    for name in others:
        try:
            opened[name] = openers[name]()
        except ProviderError:
            continue
    if len(opened) == 1:
        return opened[reference], {}
    try:
        paces = _paces(opened, request, tolerance)
    except Exception as error:
        _close(opened.values())
        raise ProviderError(f"{reference} does not run this model: {error}") from error
    fastest = max(paces, key=paces.__getitem__)
    _close(one for name, one in opened.items() if name != fastest)
    return opened[fastest], dict(sorted(paces.items(), key=lambda item: -item[1]))


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


def _paces(opened: Mapping[str, Opened], request: Sequence[Input], tolerance: float) -> dict[str, float]:
    reference, *others = opened
    want, pace = _measure(opened[reference], request)
    paces = {reference: pace}
    for name in others:
        try:
            got, pace = _measure(opened[name], request)
        except Exception:
            continue
        if agree(got, want, tolerance):
            paces[name] = pace
    return paces


def _measure(opened: Opened, request: Sequence[Input]) -> tuple[list[Floats], float]:
    """What the graph gives for the request, and how many of its inputs a second, by the median run."""

    def run() -> list[Floats]:
        # Anew each time, because a prefix is computed once.
        return opened.workers.run(opened.runner.share(list(request), [""] * len(request)), Job())

    # Not timed: a device may take longer to load its kernels than to run ten requests.
    rows = run()
    times: list[float] = []
    while len(times) < _RUNS and sum(times) < _SECONDS:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return [on_host(row) for row in rows], len(request) / statistics.median(times)


def _close(opened: Iterable[Opened]) -> None:
    for one in opened:
        one.close()
