"""Makes requests that are nearly right: recorded ones, changed in their JSON, their bytes, their heads."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.contract import recordings

_CORPUS = Path(__file__).parent / "fuzzing.json"
"""Requests of the other dialects, and those that have broken something once: `[path, body]`, the body as text."""


def seeds() -> list[tuple[str, bytes]]:
    """Paths with bodies that a client of theirs has sent."""
    found = [(path, body.encode()) for path, body in json.loads(_CORPUS.read_text(encoding="utf-8"))]
    for model in recordings.MODELS:
        for case in recordings.read(model).values():
            request = case.request
            if request.method == "POST" and request.raw is None:
                found.append((request.path, json.dumps(request.json).encode()))
    return [(path, body) for path, body in found if len(body) < 3000]


SEEDS = seeds()
PATHS = sorted({path for path, _ in SEEDS})

_NUMBERS = [0, -1, 1, 0.5, 1e308, -0.0, 2**31, 2**63, 2**64, 10**400, True]
_TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "a\u0301\u200d",
    "\u202e",
    "[MASK]",
    "<|im_end|>",
    "{{",
    "nan",
    "x" * 20_000,
    "🙂" * 3000,
]
_NESTED = ["[]", "{}", "[[]]", "[null]", '[""]', '{"": ""}', '{"type": "text"}', '{"content": []}', "[101, -5]"]
_VALUES = st.one_of(
    st.none(),
    st.sampled_from(_NUMBERS),
    st.sampled_from(_TEXTS),
    st.text(max_size=20),
    st.sampled_from([*_NESTED, "[" * 200 + "]" * 200, "[" + "0," * 3000 + "0]"]).map(json.loads),
    st.integers(),
    st.floats(),
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value something else may stand, inside out."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in _places(child, (*at, key))] + [at]


def _replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copy = value.copy()
    copy[at[0]] = _replaced(value[at[0]], at[1:], new)
    return copy


@st.composite
def _changed_json(draw: st.DrawFn, body: bytes) -> bytes:
    """Another value in one to three places, or another field."""
    value = json.loads(body)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(value)))
        value = _replaced(value, place, draw(_VALUES))
    if isinstance(value, dict) and draw(st.booleans()):
        fields = ["model", "top_n", "truncate", "documents", "input", "priority", "instruction", "encoding_format"]
        value[draw(st.sampled_from(fields))] = draw(_VALUES)
    return json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def _changed_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """Bytes cut out, doubled or put in."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 40)))
    return body[:start] + draw(st.sampled_from([b"", body[start:end] * 2, b"\xff", b"\0", b'"', b"}"])) + body[end:]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A path and a body, which is as often as not what a client might send."""
    path, body = draw(st.sampled_from(SEEDS))
    kind = draw(st.sampled_from(["same", "json", "json", "bytes", "elsewhere"]))
    if kind == "json":
        body = draw(_changed_json(body))
    elif kind == "bytes":
        body = draw(_changed_bytes(body))
    elif kind == "elsewhere":
        path = draw(st.sampled_from([*PATHS, "/", "//", "/%00", "/%", "/score/../score", "/index/a", "*"]))
    return path, body


_LINES = [
    "Content-Length: 0",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Content-Type: text/plain",
    "Content-Type: application/json; charset=utf-16",
    "Content-Type: application/json; charset=nonsense",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: Upgrade\r\nUpgrade: h2c",
    "Upgrade: websocket",
    "Host: ",
    "X-Request-Id: " + "a" * 5000,
    "Accept: */*;q=x",
    "Authorization: Bearer \x80",
    "traceparent: 00-zz",
    "X-Fern-SDK-Name: cohere",
    "X-Nothing",
    ": nothing",
    "Cookie: " + "a=b;" * 4000,
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A whole request, as the bytes of a connection."""
    path, body = draw(bodies())
    method = draw(st.sampled_from(["POST"] * 8 + ["GET", "HEAD", "PUT", "OPTIONS", "FOO", "post", ""]))
    version = draw(st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]))
    odd = draw(st.lists(st.sampled_from(_LINES), max_size=2)) if draw(st.booleans()) else []
    lines = [f"{method} {path} {version}", "Host: a", "Content-Type: application/json", *odd]
    if "Transfer-Encoding: chunked" in odd:
        size = draw(st.sampled_from([f"{len(body):x}", f"{len(body):X};a=b", "", "zz", "ffffffffffffffffff"]))
        body = size.encode() + b"\r\n" + body + draw(st.sampled_from([b"\r\n0\r\n\r\n", b"\r\n", b"0\r\nA: b\r\n\r\n"]))
    elif draw(st.integers(0, 9)):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
