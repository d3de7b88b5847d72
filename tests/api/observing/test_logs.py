import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.errors import CLIENT_LEFT
from api.observing.logs import LogFormat, configure, log_request
from api.observing.record import Record
from engine import Job

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What was logged since the last call. The process's logging is afterwards as it was."""
    root, ours = logging.getLogger(), logging.getLogger("scorert")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers = []
    # Everything that Python takes for a line break, since nobody knows what reads the log.
    yield lambda: capsys.readouterr().err.splitlines()
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def record(**changes: Any) -> Record:
    job = Job()
    job.submit([700, 804])
    job.created, job.submitted, job.started, job.finished = 10.0, 10.0009, 10.001, 10.0112
    scored: dict[str, Any] = {
        "path": "/rerank", "status": 200, "seconds": 0.0123, "model": "minilm-ce", "job": job, "pairs": 20,
    }  # fmt: skip
    return Record("ab12", "POST", "/rerank", "10.0.0.7", {}, **(scored | changes))


def test_a_request_is_a_line_of_text(lines: Lines) -> None:
    configure("text", "info")
    log_request(record())
    [line] = lines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  POST /rerank 200 12\.3 ms  minilm-ce 20 pairs 1,504 tokens  "
        r"tokenise 0\.9 wait 0\.1 infer 10\.2  client=10\.0\.0\.7 id=ab12",
        line,
    )


def test_a_request_is_an_object(lines: Lines) -> None:
    configure("json", "info")
    log_request(record())
    [line] = lines()
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("time"))
    assert fields == {
        "level": "info",
        "logger": "scorert",
        "message": "POST /rerank 200",
        "request_id": "ab12",
        "client": "10.0.0.7",
        "method": "POST",
        "path": "/rerank",
        "status": 200,
        "model": "minilm-ce",
        "pairs": 20,
        "tokens": 1504,
        "tokenise_ms": pytest.approx(0.9),
        "wait_ms": pytest.approx(0.1),
        "infer_ms": pytest.approx(10.2),
        "receive_ms": 0.0,
        "work_ms": 12.3,
        "send_ms": 0.0,
        "total_ms": 12.3,
    }


def test_what_a_slow_client_takes_is_apart(lines: Lines) -> None:
    slow = record(receiving=0.25, sending=4.0)
    configure("text", "info")
    log_request(slow)
    assert "POST /rerank 200 12.3 ms " in (line := lines()[0])
    assert "infer 10.2  receive 250.0 send 4000.0  client=" in line
    configure("json", "info")
    log_request(slow)
    fields = json.loads(lines()[0])
    times = [fields[f"{name}_ms"] for name in ("receive", "work", "send", "total")]
    assert times == [250.0, 12.3, 4000.0, pytest.approx(4262.3)]


def test_a_refusal_says_why_and_nothing_that_did_not_happen(lines: Lines) -> None:
    refused = record(model=None, job=None, pairs=0, path="", status=404, error="The path /x does not exist.")
    configure("text", "info")
    log_request(refused)
    assert lines()[0].endswith(" INFO  POST /rerank 404 12.3 ms  client=10.0.0.7 id=ab12  The path /x does not exist.")
    configure("json", "info")
    log_request(refused)
    fields = json.loads(lines()[0])
    assert fields["error"] == "The path /x does not exist."
    assert not {"model", "pairs", "tokens", "tokenise_ms", "wait_ms", "infer_ms"} & fields.keys()


@pytest.mark.parametrize(("status", "level"), [(200, "INFO"), (422, "INFO"), (CLIENT_LEFT, "INFO"), (500, "ERROR")])
def test_failures_of_the_server_are_errors(lines: Lines, status: int, level: str) -> None:
    configure("text", "debug")
    log_request(record(status=status))
    assert lines()[0].split()[2] == level


@pytest.mark.parametrize("path", ["/health", "/ping", "/metrics"])
def test_probes_are_for_debugging(lines: Lines, path: str) -> None:
    probe = Record("ab12", "GET", path, "10.0.0.7", {}, path=path, status=200)
    configure("text", "info")
    log_request(probe)
    assert lines() == []
    configure("text", "debug")
    log_request(probe)
    assert f"DEBUG GET {path} 200" in lines()[0]


def test_the_level_is_a_lower_bound(lines: Lines) -> None:
    configure("text", "error")
    log_request(record())
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert lines() == []
    log_request(record(status=500))
    assert len(lines()) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(st.text(max_size=20), st.text(max_size=20))
@example("a\nb", "\r\n2026-11-23 09:12:01.123 INFO  forged")
@example("\u2028\u2029", "\x85\x0b\x0c\x1c")
@example("\x1b[2J", "\u202e")
@example("/x 200 1.0 ms", "\ud800")
def test_clients_cannot_break_lines(lines: Lines, path: str, text: str) -> None:
    hostile = Record(text, "POST", path, text, {}, status=400, error=text)
    configure("text", "info")
    log_request(hostile)
    [line] = lines()
    assert line.isprintable()
    assert re.search(r" INFO  POST \S* 400 0\.0 ms  client=", line)
    configure("json", "info")
    log_request(hostile)
    [line] = lines()
    fields = json.loads(line)
    assert fields["path"] == path
    assert fields["request_id"] == fields["error"] == text


def test_what_a_client_sends_is_escaped(lines: Lines) -> None:
    configure("text", "info")
    log_request(Record("a\tb", "POST", "/é\n", "10.0.0.7", {}, status=400, error="\x1b[2J gone\u2028"))
    assert lines()[0].endswith(r"POST /%C3%A9%0A 400 0.0 ms  client=10.0.0.7 id=a\tb  \x1b[2J gone\u2028")


def fail() -> None:
    try:
        raise ValueError("no\n2026-11-23 09:12:01.123 INFO  forged")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")


def test_tracebacks_are_indented(lines: Lines) -> None:
    configure("text", "info")
    fail()
    first, *rest = lines()
    assert first.endswith(" ERROR Exception in ASGI application")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    2026-11-23 09:12:01.123 INFO  forged"
    assert all(line.startswith("    ") for line in rest)


def test_tracebacks_are_a_field(lines: Lines) -> None:
    configure("json", "info")
    fail()
    [line] = lines()
    fields = json.loads(line)
    assert fields["level"] == "error"
    assert fields["logger"] == "uvicorn.error"
    assert fields["message"] == "Exception in ASGI application"
    assert fields["exception"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: no\n2026" in fields["exception"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_libraries_warnings_are_logged_once_in_the_same_form(lines: Lines, log_format: LogFormat) -> None:
    configure(log_format, "debug")
    configure(log_format, "debug")
    library = logging.getLogger("opentelemetry.exporter")
    library.info("connecting")
    library.warning("Failed to export to %s", "collector")
    [line] = lines()
    assert "Failed to export to collector" in line
    assert line.startswith("{") == (log_format == "json")


def test_a_strangers_formatter_prints_the_line_and_no_key(lines: Lines) -> None:
    """Who mounts the application logs as their program does, and a record has the request's headers."""
    logging.basicConfig(level=logging.INFO, force=True)
    logging.getLogger("scorert").setLevel(logging.INFO)
    secret = record()
    secret.headers = {"authorization": "Bearer SECRETKEY"}
    log_request(secret)
    [line] = lines()
    assert line.startswith("INFO:scorert:POST /rerank 200 12.3 ms  minilm-ce 20 pairs")
    assert "SECRETKEY" not in line + repr(secret) + f"{secret}"
