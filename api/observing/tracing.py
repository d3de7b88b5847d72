"""Sends OpenTelemetry traces by OTLP over HTTP: a span for each request, and one for each phase of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus

from engine.extras import install

from ..settings.errors import SettingsError
from .phases import phases
from .record import Observer, Record

# An orderly end must not take much longer because the collector is away; in seconds.
_LAST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Tracer:
    """`observe` each request that is over. `shutdown` sends what is left, and gives up soon without a collector."""

    observe: Observer
    shutdown: Callable[[], None]


def tracer_for(endpoint: str, version: str) -> Tracer:
    """A tracer that sends to a collector's base URL, such as "http://localhost:4318".

    Names and attributes are those of https://opentelemetry.io/docs/specs/semconv/http/http-spans/. The usual variables
    apply, such as OTEL_RESOURCE_ATTRIBUTES and OTEL_TRACES_SAMPLER. Raises `SettingsError` without OpenTelemetry.
    """
    # Here, because it comes with the extra `tracing` alone.
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        raise SettingsError(f"--otlp-endpoint needs OpenTelemetry: run `{install('tracing')}`.") from None

    ours = Resource.create({"service.name": "scorert", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("scorert", version)
    parents = TraceContextTextMapPropagator()

    def observe(record: Record) -> None:
        span = tracer.start_span(
            _name(record),
            context=parents.extract(record.headers),
            kind=trace.SpanKind.SERVER,
            attributes=_attributes(record),
            start_time=_nanoseconds(record.started),
        )
        if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(trace.StatusCode.ERROR, record.error)
        inside = trace.set_span_in_context(span)
        # A job's marks are of a clock that starts anywhere.
        offset = record.started - record.began
        for phase in phases(record.job):
            child = tracer.start_span(phase.name, context=inside, start_time=_nanoseconds(phase.start + offset))
            child.end(_nanoseconds(phase.end + offset))
        span.end(_nanoseconds(record.started + record.total_seconds))

    def shutdown() -> None:
        # The provider alone would go on trying for half a minute.
        giving_up = threading.Timer(_LAST_ATTEMPTS, exporter.shutdown)
        giving_up.start()
        provider.shutdown()
        giving_up.cancel()

    return Tracer(observe, shutdown)


def _name(record: Record) -> str:
    method = record.method if record.method in HTTPMethod.__members__ else "HTTP"
    return f"{method} {record.path}".rstrip()


def _attributes(record: Record) -> dict[str, str | int]:
    """What is known of the request, by the conventions' names and by `scorert.*` for what they have none for."""
    known = record.method in HTTPMethod.__members__
    failed = record.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    attributes: dict[str, str | int | None] = {
        "http.request.method": record.method if known else "_OTHER",
        "http.request.method_original": None if known else record.method,
        "http.route": record.path or None,
        "http.response.status_code": int(record.status),
        "url.path": record.url_path,
        "client.address": record.client,
        "user_agent.original": record.headers.get("user-agent"),
        "error.type": str(int(record.status)) if failed else None,
        "scorert.request_id": record.request_id,
        "scorert.model": record.model,
        "scorert.pairs": record.pairs or None,
        "scorert.tokens": record.job.tokens if record.job is not None and record.job.tokens else None,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
