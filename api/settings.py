"""What the server is started with."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from .config import Flag, listed, read_flags
from .config import SettingsError as SettingsError
from .limits import Limits

# Beside the packages in a checkout and in site-packages alike.
DEFAULT_MODEL = Path(__file__).parent.parent / "models" / "all-MiniLM-L6-v2"

_LIMITS = Limits()
# Keys have no flag: others on the machine can read a command line.
_API_KEY = "SCORERT_API_KEY"


@dataclass(frozen=True, slots=True)
class Settings:
    """`models` are artifact folders. `served_model_names` are theirs in the same order, or empty for their own names.

    `aliases` are pairs of another name and the served name that it stands for. `chat_template` is the text of a score
    template, None for the artifacts' own. `precision` None is an artifact's first graph, `threads` None one for every
    core. `port` 0 takes any free one. `max_queued_tokens` may wait for each model. Without `api_keys` there is no
    access control.
    """

    models: list[Path]
    served_model_names: list[str]
    aliases: list[tuple[str, str]]
    precision: str | None
    provider: str
    threads: int | None
    chat_template: str | None
    host: str
    port: int
    allow_origins: list[str]
    limits: Limits
    max_queued_tokens: int
    api_keys: frozenset[str] = field(repr=False)
    public_metrics: bool
    log_format: Literal["text", "json"]
    log_level: str
    otlp_endpoint: str | None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings of a command line, `SCORERT_*` variables and the file that either names; see `read_flags`.

    Raises `SettingsError`.
    """
    given = read_flags(FLAGS, arguments, environment)
    models: list[Path] = given["model"] or [DEFAULT_MODEL]
    names = [name for names in given["served-model-name"] or [] for name in listed(names)]
    if names and len(names) != len(models):
        raise SettingsError(
            f"--served-model-name gives {_count(names, 'name')} for {_count(models, 'model')}: give each model one."
        )
    limits = Limits(
        max_body_bytes=given["max-body-bytes"],
        max_documents=given["max-documents"],
        max_request_tokens=given["max-request-tokens"],
        timeout=given["timeout"],
        max_concurrent_requests=given["max-concurrent-requests"],
    )
    if given["max-queued-tokens"] < limits.max_request_tokens:
        raise SettingsError(
            f"--max-queued-tokens is {given['max-queued-tokens']:,} and --max-request-tokens is "
            f"{limits.max_request_tokens:,}: raise the first or lower the second, since a request's tokens must fit in "
            "the queue."
        )
    return Settings(
        models=models,
        served_model_names=names,
        aliases=given["alias"] or [],
        precision=given["precision"],
        provider=given["provider"],
        threads=given["threads"],
        chat_template=given["chat-template"],
        host=given["host"],
        port=given["port"],
        allow_origins=given["allow-origin"] or [],
        limits=limits,
        max_queued_tokens=given["max-queued-tokens"],
        api_keys=(given["api-key-file"] or frozenset()) | _keys_of_variable(environment),
        public_metrics=given["public-metrics"],
        log_format=given["log-format"],
        log_level=given["log-level"],
        otlp_endpoint=given["otlp-endpoint"],
    )


def _whole(noun: str, least: int = 1, most: int | None = None) -> Callable[[str], int]:
    bounds = f"{least} or more" if most is None else f"{least} to {most}"

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            raise ValueError(f"{text!r} is not {noun} ({bounds})")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # What a thread can wait for; this refuses inf and nan too.
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"{text!r} is not a number of seconds (more than 0)")
    return seconds


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return read


def _switch(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(f"{text!r} is not 1, true, yes, 0, false or no")
    return text.lower() in ("1", "true", "yes")


def _alias(text: str) -> tuple[str, str]:
    name, _, model = (part.strip() for part in text.partition("="))
    if not name or not model:
        raise ValueError(f"{text!r} is not an alias (NAME=MODEL)")
    return name, model


def _origin(text: str) -> str:
    # Browsers send it in lower case and without a path, and it is compared as text.
    if text != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", text.lower()):
        raise ValueError(f"{text!r} is not an origin such as https://example.com, nor * for any")
    return text.lower()


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is not an http:// or https:// URL")
    return text


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def _key_file(path: str) -> frozenset[str]:
    lines = [line.strip(" \t\r") for line in _content(path).split("\n")]
    keys = {line: number for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    for key, number in keys.items():
        _check_key(key, f"line {number} of {path}")
    if not keys:
        raise ValueError(f"{path} has no key: write one a line")
    return frozenset(keys)


def _keys_of_variable(environment: Mapping[str, str]) -> frozenset[str]:
    text = environment.get(_API_KEY)
    if not text:
        return frozenset()
    keys = listed(text)
    try:
        for number, key in enumerate(keys, 1):
            _check_key(key, f"key {number}")
    except ValueError as error:
        raise SettingsError(f"{_API_KEY}: {error}.") from None
    if not keys:
        raise SettingsError(f"{_API_KEY} has no key: give it one or more, separated by commas, or unset it.")
    return frozenset(keys)


def _check_key(key: str, where: str) -> None:
    """The key itself does not get into the error, which is logged."""
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError(f"{where} has white space or characters that are not ASCII, which a key cannot have")


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


FLAGS: dict[str, list[Flag]] = {
    "Models": [
        Flag(
            "model",
            "artifacts to serve (default: the all-MiniLM-L6-v2 that comes with ScoreRT)",
            Path,
            Path,
            repeats=True,
            metavar="FOLDER",
        ),
        Flag(
            "served-model-name",
            "names that requests use, in the order of --model (default: the artifacts' own)",
            repeats=True,
            metavar="NAME",
        ),
        Flag("alias", "other names of served models (default: none)", _alias, repeats=True, metavar="NAME=MODEL"),
        Flag("precision", "which of an artifact's graphs (default: its first)"),
        Flag("provider", "cpu, cuda or tensorrt; several with commas fall back from left to right", default="cpu"),
        Flag("threads", "CPU threads (default: all cores)", _whole("a number of threads"), int),
        Flag(
            "chat-template",
            "a Jinja score template for the cross-encoders (default: the artifacts' own)",
            _content,
            Path,
        ),
    ],
    "Network": [
        Flag("host", "address to listen on, 0.0.0.0 for all", default="0.0.0.0"),
        Flag("port", "0 for any that is free", _whole("a port", 0, 65535), int, 8000),
        Flag(
            "allow-origin",
            "web pages that may call the server from a browser, such as https://example.com; * for any (default: none)",
            _origin,
            repeats=True,
            metavar="ORIGIN",
        ),
    ],
    "Limits": [
        Flag("max-body-bytes", "size of a request's body", _whole("a number of bytes"), int, _LIMITS.max_body_bytes),
        Flag(
            "max-documents",
            "documents, pairs or texts of a request",
            _whole("a number of documents"),
            int,
            _LIMITS.max_documents,
        ),
        Flag(
            "max-request-tokens",
            "tokens of a request, all its inputs together",
            _whole("a number of tokens"),
            int,
            _LIMITS.max_request_tokens,
        ),
        Flag("timeout", "how long a request may take", _seconds, float, _LIMITS.timeout, metavar="SECONDS"),
        Flag(
            "max-concurrent-requests",
            "requests that are answered at a time",
            _whole("a number of requests"),
            int,
            _LIMITS.max_concurrent_requests,
        ),
        Flag("max-queued-tokens", "tokens that may wait for each model", _whole("a number of tokens"), int, 2_000_000),
    ],
    "Access": [
        Flag(
            "api-key-file",
            f"keys, one a line, of which requests must have one; {_API_KEY} has keys too (default: no key is needed)",
            _key_file,
            Path,
        ),
        Flag("public-metrics", "let /metrics be read without a key", _switch, bool, False),
    ],
    "Logs and traces": [
        Flag("log-format", "text or json", _one_of("text", "json"), default="text", metavar="FORMAT"),
        Flag(
            "log-level",
            "debug, info, warning or error",
            _one_of("debug", "info", "warning", "error"),
            default="info",
            metavar="LEVEL",
        ),
        Flag("otlp-endpoint", "where traces are sent with OTLP over HTTP (default: nowhere)", _url, metavar="URL"),
    ],
}
