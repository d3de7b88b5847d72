import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from api.errors import CLIENT_LEFT
from api.observing.metrics import Metrics
from api.observing.record import Record
from engine import Batch, CacheUse, InvalidInput, Job, Waiting

MODEL = "minilm"
DASHBOARD = Path(__file__).parents[3] / "docs" / "monitoring" / "grafana.json"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def job() -> Job:
    """One that took 2 ms to tokenise, waited 300 ms and ran for 4 s."""
    job = Job()
    job.submit([20, 30])
    job.created, job.submitted, job.started, job.finished = 100.0, 100.002, 100.302, 104.302
    return job


def record(
    *,
    method: str = "POST",
    path: str = "/rerank",
    status: int = 200,
    seconds: float = 0.0,
    model: str | None = None,
    job: Job | None = None,
    pairs: int = 0,
) -> Record:
    return Record(
        "id", method, path or "/asked", "127.0.0.1", {}, 0.0, path, status, seconds, model=model, job=job, pairs=pairs
    )


def samples(metrics: Metrics) -> Samples:
    body, _ = metrics.render(None)
    families = parse_text(body.decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for one in families for sample in one.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"scorert_{name}", frozenset(labels.items())))


def bucket(metrics: Metrics, name: str, **labels: str) -> tuple[float, float]:
    """The bounds of the bucket that a histogram's one observation fell into: above the first, up to the second."""
    bounds = {
        float(dict(given)["le"]): count
        for (sample, given), count in samples(metrics).items()
        if sample == f"scorert_{name}_bucket" and labels.items() <= dict(given).items()
    }
    assert set(bounds.values()) == {0.0, 1.0}
    return max(bound for bound in bounds if not bounds[bound]), min(bound for bound in bounds if bounds[bound])


def test_a_request_is_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.observe(record(seconds=4.4, model=MODEL, job=job(), pairs=2))
    assert value(metrics, "requests_total", route="/rerank", method="POST", status="200") == 1
    assert value(metrics, "pairs_total", model=MODEL) == 2
    assert value(metrics, "request_seconds_sum", route="/rerank") == pytest.approx(4.4)
    assert bucket(metrics, "request_seconds", route="/rerank") == (2.5, 5)
    assert value(metrics, "tokenise_seconds_sum", model=MODEL) == pytest.approx(0.002)
    assert bucket(metrics, "tokenise_seconds", model=MODEL) == (0.001, 0.0025)
    assert value(metrics, "wait_seconds_sum", model=MODEL) == pytest.approx(0.3)
    assert bucket(metrics, "wait_seconds", model=MODEL) == (0.25, 0.5)
    assert value(metrics, "infer_seconds_sum", model=MODEL) == pytest.approx(4)
    assert bucket(metrics, "infer_seconds", model=MODEL) == (2.5, 5)


def test_of_a_refused_request_only_what_happened_counts() -> None:
    metrics = Metrics()
    refused = Job(max_tokens=10)
    with pytest.raises(InvalidInput):
        refused.submit([20, 30])
    metrics.observe(record(status=400, model=MODEL, job=refused, pairs=2))
    metrics.observe(record(status=400, model=MODEL, job=Job(), pairs=2))
    metrics.observe(record(status=404))
    assert value(metrics, "tokenise_seconds_count", model=MODEL) == 1
    for never in ("wait_seconds_count", "infer_seconds_count", "pairs_total"):
        assert not value(metrics, never, model=MODEL)
    assert value(metrics, "requests_total", route="/rerank", method="POST", status="400") == 2
    assert value(metrics, "request_seconds_count", route="/rerank") == 3


def test_pairs_whose_client_left_do_not_count() -> None:
    metrics = Metrics()
    metrics.observe(record(status=CLIENT_LEFT, model=MODEL, job=job(), pairs=2))
    assert not value(metrics, "pairs_total", model=MODEL)
    assert value(metrics, "requests_total", route="/rerank", method="POST", status="499") == 1


def test_clients_cannot_add_series() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.observe(Record("id", f"M{number}", f"/x{number}", None, {}, path="", status=404))
    assert value(metrics, "requests_total", route="unmatched", method="other", status="404") == 50
    assert sum(name == "scorert_requests_total" for name, _ in samples(metrics)) == 1


def test_requests_in_flight_are_counted_at_each_scrape() -> None:
    metrics = Metrics()
    assert value(metrics, "requests_in_flight") == 0
    inside = ["first"]
    metrics.count_in_flight(lambda: len(inside))
    assert value(metrics, "requests_in_flight") == 1
    inside.append("second")
    assert value(metrics, "requests_in_flight") == 2


def test_batches_of_several_workers_add_up() -> None:
    metrics = Metrics()
    batch = Batch(sequences=3, tokens=100, padding=20, seconds=0.02)

    def work() -> None:
        ran = metrics.batches(MODEL)
        for _ in range(500):
            ran(batch)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    metrics.batches("another")(batch)
    assert value(metrics, "tokens_total", model=MODEL) == 200_000
    assert value(metrics, "padding_tokens_total", model=MODEL) == 40_000
    assert value(metrics, "batch_sequences_sum", model=MODEL) == 6000
    assert value(metrics, "batch_sequences_bucket", model=MODEL, le="2.0") == 0
    assert value(metrics, "batch_sequences_bucket", model=MODEL, le="4.0") == 2000
    assert value(metrics, "batch_tokens_bucket", model=MODEL, le="64.0") == 0
    assert value(metrics, "batch_tokens_bucket", model=MODEL, le="128.0") == 2000
    assert value(metrics, "batch_seconds_sum", model=MODEL) == pytest.approx(40)
    assert value(metrics, "tokens_total", model="another") == 100


def test_a_watched_queue_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    engine = SimpleNamespace(waiting=Waiting(0, 0))
    metrics.watch(MODEL, engine)
    assert value(metrics, "queue_sequences", model=MODEL) == 0
    engine.waiting = Waiting(sequences=7, tokens=900)
    assert value(metrics, "queue_sequences", model=MODEL) == 7
    assert value(metrics, "queue_tokens", model=MODEL) == 900


def test_a_watched_model_has_its_series_before_its_first_request() -> None:
    metrics = Metrics()
    metrics.watch(MODEL, SimpleNamespace(waiting=Waiting(0, 0)))
    metrics.batches(MODEL)
    names = {name for name, _ in samples(metrics)}
    metrics.observe(record(seconds=4.4, model=MODEL, job=job(), pairs=2))
    new = {name for name, _ in samples(metrics)} - names
    assert all(name.startswith(("scorert_requests_", "scorert_request_seconds_")) for name in new)


def test_a_cache_is_read_at_each_scrape_and_none_has_no_series() -> None:
    metrics = Metrics()
    engine = SimpleNamespace(cache=CacheUse(hits=0, misses=0, entries=0, bytes=0))
    metrics.watch_cache(MODEL, engine)
    metrics.watch_cache("another", SimpleNamespace(cache=None))
    assert value(metrics, "embedding_cache_hits_total", model=MODEL) == 0
    engine.cache = CacheUse(hits=5, misses=2, entries=2, bytes=4000)
    assert value(metrics, "embedding_cache_hits_total", model=MODEL) == 5
    assert value(metrics, "embedding_cache_misses_total", model=MODEL) == 2
    assert value(metrics, "embedding_cache_bytes", model=MODEL) == 4000
    assert value(metrics, "embedding_cache_hits_total", model="another") is None


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        (None, "text/plain", parse_text),
        ("*/*", "text/plain", parse_text),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "openmetrics", parse_openmetrics),
    ],
)
def test_the_format_is_what_the_scraper_asks_for(accept: str | None, content_type: str, parse: object) -> None:
    metrics = Metrics()
    metrics.observe(record(seconds=0.1, model=MODEL, job=job(), pairs=2))
    body, given = metrics.render(accept)
    assert content_type in given
    assert callable(parse)
    families = {family.name: family for family in parse(body.decode())}
    assert families["scorert_requests"].type == "counter"
    assert families["scorert_infer_seconds"].type == "histogram"
    assert families["scorert_queue_tokens"].type == "gauge"


def test_each_has_a_registry_of_its_own_with_the_process() -> None:
    first, second = Metrics(), Metrics()
    first.observe(record())
    assert value(second, "requests_total", route="/rerank", method="POST", status="200") is None
    assert not any(family.name.startswith("scorert_") for family in REGISTRY.collect())
    names = {name for name, _ in samples(first)}
    assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= names


def queries() -> list[str]:
    """Every PromQL expression of the dashboard, and the series its variables are read from."""
    board = json.loads(DASHBOARD.read_text())
    panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    variables = [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    assert len(panels) > 15
    assert len(variables) == 2
    return panels + [
        re.sub(r"label_values\((\w+)\{?(.*?)}?, (\w+)\)", r"count by (\3) (\1{\2})", query) for query in variables
    ]


def exported() -> dict[str, set[str]]:
    """The names of all series with their labels, once there was a request and a batch."""
    metrics = Metrics()
    metrics.watch(MODEL, SimpleNamespace(waiting=Waiting(0, 0)))
    metrics.watch_cache(MODEL, SimpleNamespace(cache=CacheUse(3, 1, 1, 2000)))
    metrics.batches(MODEL)(Batch(2, 50, 10, 0.1))
    metrics.observe(record(model=MODEL, job=job(), pairs=2))
    return {name: set(dict(labels)) for name, labels in samples(metrics)}


# Prometheus gives these to all that it scrapes.
SCRAPED = {"job", "instance"}


@pytest.mark.parametrize("query", queries())
def test_the_dashboard_asks_for_what_is_exported(query: str) -> None:
    series = exported()
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(", ")}
    rest = re.sub(r"\bby \([^)]*\)|\[[^]]*\]", "", query)
    asked = re.findall(r"([a-z_:]+)\{([^}]*)\}", rest)
    assert asked
    for name, matchers in asked:
        assert name in series
        used = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', matchers)) | grouped
        assert used <= series[name] | SCRAPED
    # No metric goes without a job, which could be anybody's, so that the other words are PromQL's.
    words = set(re.findall(r"[a-z_]+", re.sub(r"[a-z_:]+\{[^}]*\}", "", rest)))
    assert words <= {"sum", "count", "rate", "histogram_quantile", "or", "vector"}
    assert all("job=~" in matchers or query.startswith("count by (job)") for _, matchers in asked)
