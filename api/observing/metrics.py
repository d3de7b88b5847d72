"""Measures what requests took, what batches held and what waits, for Prometheus."""

from collections.abc import Callable, Iterator
from http import HTTPMethod, HTTPStatus
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from engine import Batch, CacheUse, Waiting

from .phases import PHASES, phases
from .record import Record

# The buckets of histograms, choices: from an index's rerank to the longest timeout, and powers of two.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SEQUENCES = tuple(2**power for power in range(9))  # 1 … 256
_TOKENS = tuple(2**power for power in range(3, 17))  # 8 … 65,536
_PHASE_HELP = {
    "tokenise": "Time until a request's texts were tokenised.",
    "wait": "Time that a request's inputs then waited for the first of them to run.",
    "infer": "Time from then until the last had run.",
}


class Queue(Protocol):
    """What an engine tells of its queue."""

    @property
    def waiting(self) -> Waiting: ...


class Remembering(Protocol):
    """What an engine tells of the embeddings that it remembers; None where it remembers none."""

    @property
    def cache(self) -> CacheUse | None: ...


class _Caches(Collector):
    """What caches have been asked for and hold, read whenever metrics are."""

    def __init__(self) -> None:
        self.engines: dict[str, Remembering] = {}
        """By their models' names."""

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks of a collector. A model without a cache has no series."""
        hits = CounterMetricFamily(
            "scorert_embedding_cache_hits", "Texts whose embeddings were remembered.", labels=["model"]
        )
        misses = CounterMetricFamily(
            "scorert_embedding_cache_misses", "Texts whose embeddings had to be computed.", labels=["model"]
        )
        size = GaugeMetricFamily(
            "scorert_embedding_cache_bytes", "Memory of the embeddings that are remembered.", labels=["model"]
        )
        for model, engine in self.engines.items():
            if (use := engine.cache) is not None:
                hits.add_metric([model], use.hits)
                misses.add_metric([model], use.misses)
                size.add_metric([model], use.bytes)
        yield from (hits, misses, size)


class Metrics:
    """The server's metrics, in a registry of their own. Thread-safe.

    Labels are bounded whatever clients send: routes are the routing table's, models those that are served.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry)
        GCCollector(registry)
        self._registry = registry
        self._caches = _Caches()
        registry.register(self._caches)

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"scorert_{name}", told, labels, registry=registry)

        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(f"scorert_{name}", told, labels, registry=registry)

        def histogram(name: str, told: str, label: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"scorert_{name}", told, [label], registry=registry, buckets=buckets)

        self._requests = counter("requests_total", "Requests that are over.", "route", "method", "status")
        self._in_flight = gauge("requests_in_flight", "Requests that are being answered.")
        self._request_seconds = histogram("request_seconds", "Time the server worked on a request.", "route", _SECONDS)
        self._phase_seconds = {
            name: histogram(f"{name}_seconds", _PHASE_HELP[name], "model", _SECONDS) for name in PHASES
        }
        self._pairs = counter("pairs_total", "Pairs scored and texts embedded.", "model")
        self._tokens = counter("tokens_total", "Tokens of inputs that ran, those of a shared prefix in each.", "model")
        self._padding = counter("padding_tokens_total", "Tokens of padding that were computed besides.", "model")
        self._queued_sequences = gauge("queue_sequences", "Inputs that no worker has taken yet.", "model")
        self._queued_tokens = gauge("queue_tokens", "Tokens of the inputs that no worker has taken yet.", "model")
        self._batch_sequences = histogram("batch_sequences", "Inputs in one run of the graph.", "model", _SEQUENCES)
        self._batch_tokens = histogram("batch_tokens", "Tokens in one run, without padding.", "model", _TOKENS)
        self._batch_seconds = histogram("batch_seconds", "Time one run of the graph took.", "model", _SECONDS)

    def count_in_flight(self, count: Callable[[], int]) -> None:
        """Ask, whenever metrics are read, how many requests are being answered."""
        self._in_flight.set_function(count)

    def observe(self, record: Record) -> None:
        """A request is over."""
        route = record.path or "unmatched"
        # Servers pass on whatever token stands where the method belongs.
        method = record.method if record.method in HTTPMethod.__members__ else "other"
        self._requests.labels(route, method, record.status).inc()
        self._request_seconds.labels(route).observe(record.seconds)
        if record.model is None:
            return
        for phase in phases(record.job):
            self._phase_seconds[phase.name].labels(record.model).observe(phase.seconds)
        if record.status < HTTPStatus.BAD_REQUEST:
            self._pairs.labels(record.model).inc(record.pairs)

    def batches(self, model: str) -> Callable[[Batch], None]:
        """What to call, on any thread, with each batch that a model's engine has run."""
        tokens, padding = self._tokens.labels(model), self._padding.labels(model)
        batch_sequences, batch_tokens = self._batch_sequences.labels(model), self._batch_tokens.labels(model)
        batch_seconds = self._batch_seconds.labels(model)

        def observe(batch: Batch) -> None:
            tokens.inc(batch.tokens)
            padding.inc(batch.padding)
            batch_sequences.observe(batch.sequences)
            batch_tokens.observe(batch.tokens)
            batch_seconds.observe(batch.seconds)

        return observe

    def watch(self, model: str, engine: Queue) -> None:
        """Read the engine's queue whenever metrics are."""
        self._queued_sequences.labels(model).set_function(lambda: engine.waiting.sequences)
        self._queued_tokens.labels(model).set_function(lambda: engine.waiting.tokens)
        # From 0, since Prometheus sees no increase in a series that begins with its first request.
        self._pairs.labels(model)
        for histogram in self._phase_seconds.values():
            histogram.labels(model)

    def watch_cache(self, model: str, engine: Remembering) -> None:
        """Read the use of the engine's cache whenever metrics are."""
        self._caches.engines[model] = engine

    def render(self, accept: str | None) -> tuple[bytes, str]:
        """All metrics and their content type, in OpenMetrics where the Accept header asks for it."""
        encode, content_type = choose_encoder(accept or "")
        return encode(self._registry), content_type
