import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from api.observing.record import Record
from api.observing.tracing import tracer_for
from api.settings.errors import SettingsError
from engine import Job

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MILLISECOND = 1_000_000


class Collector:
    """An OTLP receiver on a free port: what it was sent, by path, decoded."""

    def __enter__(self) -> Self:
        received: list[tuple[str, ExportTraceServiceRequest]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, ExportTraceServiceRequest.FromString(body)))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> dict[str, Span]:
        return {
            span.name: span
            for _, request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }

    def resource(self) -> dict[str, object]:
        return attributes(self.received[0][1].resource_spans[0].resource.attributes)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def attributes(pairs: Any) -> dict[str, object]:
    def plain(pair: KeyValue) -> object:
        return getattr(pair.value, str(pair.value.WhichOneof("value")))

    return {pair.key: plain(pair) for pair in pairs}


def send(collector: Collector, *records: Record) -> dict[str, Span]:
    tracer = tracer_for(collector.url, "1.2.3")
    for record in records:
        tracer.observe(record)
    tracer.shutdown()
    return collector.spans()


def scored(**changes: Any) -> Record:
    """A request that has just ended: 50 ms on its way in, 20 to tokenise, 30 of waiting, 400 of inference, 30 after."""
    now, mark = time.time(), time.perf_counter()
    job = Job()
    job.submit([20, 30])
    job.finished = mark - 0.03
    job.started = job.finished - 0.4
    job.submitted = job.started - 0.03
    job.created = job.submitted - 0.02
    known: dict[str, Any] = {
        "started": now - 0.53, "began": mark - 0.53,
        "path": "/rerank", "status": 200, "seconds": 0.53, "model": "minilm", "job": job,
        "pairs": 2,
    }  # fmt: skip
    caller = {"traceparent": f"00-{TRACE}-{PARENT}-01", "user-agent": "curl/8"}
    return Record("ab12", "POST", "/rerank", "10.0.0.7", **({"headers": caller} | known | changes))


def test_a_request_is_a_server_span_below_its_callers(collector: Collector) -> None:
    record = scored()
    span = send(collector, record)["POST /rerank"]
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert span.start_time_unix_nano == pytest.approx(record.started * 1e9, abs=1000)
    assert span.end_time_unix_nano - span.start_time_unix_nano == pytest.approx(530 * MILLISECOND, abs=1000)
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/rerank",
        "http.response.status_code": 200,
        "url.path": "/rerank",
        "client.address": "10.0.0.7",
        "user_agent.original": "curl/8",
        "scorert.request_id": "ab12",
        "scorert.model": "minilm",
        "scorert.pairs": 2,
        "scorert.tokens": 50,
    }


def test_its_phases_are_spans_within_it(collector: Collector) -> None:
    spans = send(collector, scored())
    request = spans["POST /rerank"]
    # Milliseconds from the request's start; the clocks were not read at quite the same time above.
    for name, start, end in [("tokenise", 50, 70), ("wait", 70, 100), ("infer", 100, 500)]:
        span = spans[name]
        assert span.trace_id == request.trace_id
        assert span.parent_span_id == request.span_id
        assert span.kind == Span.SPAN_KIND_INTERNAL
        assert span.start_time_unix_nano == pytest.approx(
            request.start_time_unix_nano + start * MILLISECOND, abs=9 * MILLISECOND
        )
        assert span.end_time_unix_nano == pytest.approx(
            request.start_time_unix_nano + end * MILLISECOND, abs=9 * MILLISECOND
        )


def test_a_request_without_a_caller_begins_a_trace(collector: Collector) -> None:
    first, second = scored(headers={}), scored(headers={"traceparent": "nonsense"}, path="/score")
    spans = send(collector, first, second)
    assert spans["POST /rerank"].parent_span_id == spans["POST /score"].parent_span_id == b""
    assert len({TRACE, spans["POST /rerank"].trace_id.hex(), spans["POST /score"].trace_id.hex()}) == 3


def test_a_caller_that_is_not_sampled_is_followed(collector: Collector) -> None:
    assert send(collector, scored(headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})) == {}


def test_the_servers_failures_are_errors(collector: Collector) -> None:
    failed = scored(status=503, error="The queue is full.", path="/score")
    failed.job = Job()
    spans = send(collector, failed, scored(status=404, path="", model=None, job=None, pairs=0))
    assert spans["POST /score"].status.code == Status.STATUS_CODE_ERROR
    assert spans["POST /score"].status.message == "The queue is full."
    assert attributes(spans["POST /score"].attributes)["error.type"] == "503"
    assert spans["POST"].status.code == Status.STATUS_CODE_UNSET
    assert not {"http.route", "error.type", "scorert.model"} & attributes(spans["POST"].attributes).keys()
    assert spans.keys() == {"POST /score", "POST"}


def test_an_unknown_method_is_not_a_name(collector: Collector) -> None:
    [(name, span)] = send(collector, Record("id", "BREW", "/x", None, {}, status=405)).items()
    assert name == "HTTP"
    assert attributes(span.attributes).items() >= {
        ("http.request.method", "_OTHER"),
        ("http.request.method_original", "BREW"),
    }


def test_the_resource_is_the_service_and_what_the_environment_adds(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    send(collector, scored())
    assert [path for path, _ in collector.received] == ["/v1/traces"]
    assert collector.resource().items() >= {
        ("service.name", "scorert"),
        ("service.version", "1.2.3"),
        ("deployment.environment.name", "staging"),
    }


def test_the_environment_may_rename_the_service(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "search-reranker")
    send(collector, scored())
    assert collector.resource()["service.name"] == "search-reranker"


def test_the_endpoint_may_end_in_a_slash(collector: Collector) -> None:
    collector.url += "/collector/"
    send(collector, scored())
    assert [path for path, _ in collector.received] == ["/collector/v1/traces"]


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(
        SettingsError, match=r"^--otlp-endpoint needs OpenTelemetry: run `pip install .*\[tracing\]\"`\.$"
    ):
        tracer_for("http://localhost:4318", "1.2.3")


@pytest.mark.slow
def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    tracer = tracer_for("http://127.0.0.1:9", "1.2.3")
    tracer.observe(scored())
    began = time.perf_counter()
    tracer.shutdown()
    assert time.perf_counter() - began < 10
