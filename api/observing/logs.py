"""Logs each request and what goes wrong on stderr, as lines for people or JSON for machines."""

import json
import logging
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from .phases import phases
from .record import Record, escaped

LogFormat = Literal["text", "json"]

_LOGGER = logging.getLogger("scorert")

# Asked for every few seconds by whoever watches the server.
_PROBES = {"/health", "/ping", "/metrics"}


def configure(log_format: LogFormat, level: str) -> None:
    """Send all logs of the process to stderr. ScoreRT's are from `level` ("debug", "info", …), libraries' warnings.

    uvicorn must be given `log_config=None`, or it sets up its own.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_TextFormatter() if log_format == "text" else _JsonFormatter())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    _LOGGER.setLevel(number)


def log_request(record: Record) -> None:
    """One line for a request that is over: an error where the server failed, at level debug for probes."""
    if record.path in _PROBES:
        level = logging.DEBUG
    elif record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.ERROR
    else:
        level = logging.INFO
    # Our formatters take it apart, and others print it as `str` does, so that a line nobody reads is not written.
    _LOGGER.log(level, record)


class _TextFormatter(logging.Formatter):
    """Local time with milliseconds, level, message. Only such lines begin at the margin, whatever clients send."""

    def format(self, log: logging.LogRecord) -> str:
        moment = self.formatTime(log, "%Y-%m-%d %H:%M:%S")
        message = str(log.msg) if isinstance(log.msg, Record) else escaped(log.getMessage().strip())
        lines = [f"{moment}.{int(log.msecs):03} {log.levelname:<5} {message}"]
        if log.exc_info:
            lines += [f"    {escaped(line)}" for line in self.formatException(log.exc_info).split("\n")]
        return "\n".join(lines)


class _JsonFormatter(logging.Formatter):
    """An object a line: `time` in UTC, `level`, `logger`, `message`, and a request's fields or the `exception`."""

    def format(self, log: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(log.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": log.levelname.lower(),
            "logger": log.name,
        }
        if isinstance(log.msg, Record):
            fields |= _request_fields(log.msg)
        else:
            fields["message"] = log.getMessage().strip()
        if log.exc_info:
            fields["exception"] = self.formatException(log.exc_info)
        # Of ASCII alone, because U+2028 and other line breaks of Unicode would stand in msgspec's as they are.
        return json.dumps(fields)


def _request_fields(record: Record) -> dict[str, Any]:
    """The same by name, times in milliseconds; what is not known is left out."""
    job = record.job
    fields: dict[str, Any] = {
        "message": f"{record.method} {record.url_path} {record.status:d}",
        "request_id": record.request_id,
        "client": record.client,
        "method": record.method,
        "path": record.url_path,
        "status": int(record.status),
        "model": record.model,
        "pairs": record.pairs or None,
        "tokens": job.tokens if job is not None and job.tokens else None,
        **{f"{phase.name}_ms": round(phase.seconds * 1000, 3) for phase in phases(job)},
        "receive_ms": round(record.receiving * 1000, 3),
        "work_ms": round(record.seconds * 1000, 3),
        "send_ms": round(record.sending * 1000, 3),
        "total_ms": round(record.total_seconds * 1000, 3),
        "error": record.error,
    }
    return {name: value for name, value in fields.items() if value is not None}
