"""Embeddings as clients of vLLM decode them: base64 and bytes, in every type of number and order of bytes."""

import base64
import json
from itertools import product
from typing import Any, get_args

import ml_dtypes
import numpy as np
import pytest

from api.wire.vectors import EmbedDtype, Endianness
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

_DTYPES = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "fp8_e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "fp8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
}
_TOLERANCES = {"float32": 0, "float16": 1e-3, "bfloat16": 1e-2, "fp8_e4m3": 0.1, "fp8_e5m2": 0.2}
_PATHS = [
    ("/v1/embeddings", "minilm-bi", "embedding"),
    ("/pooling", "minilm-colbert", "data"),
    ("/pooling", "minilm-ce", "data"),
]
_ENCODINGS = [*product(get_args(EmbedDtype), get_args(Endianness))]


def _read(content: bytes, dtype: str, endianness: str) -> Any:
    whole = np.frombuffer(content, f"{'>' if endianness == 'big' else '<'}u{_DTYPES[dtype].itemsize}")
    return whole.astype(whole.dtype.newbyteorder("=")).view(_DTYPES[dtype]).astype(np.float32)


@pytest.mark.parametrize(("path", "model", "field"), _PATHS)
def test_base64_and_bytes_are_the_same_numbers(server: Server, path: str, model: str, field: str) -> None:
    body = {"model": model, "input": ["Paris is in France.", "Cows", "Cows eat grass."], "request_id": "mine"}
    plain = server.client.post(path, json=body).json()
    rows = [np.float32(item[field]) for item in plain["data"]]
    for dtype, endianness in _ENCODINGS:
        asked = body | {"embed_dtype": dtype, "endianness": endianness}
        answer = server.client.post(path, json=asked | {"encoding_format": "base64"}).json()
        parts = [base64.b64decode(item[field]) for item in answer["data"]]
        for row, part in zip(rows, parts, strict=True):
            np.testing.assert_allclose(_read(part, dtype, endianness), row.ravel(), rtol=_TOLERANCES[dtype], atol=1e-2)
        binary = server.client.post(path, json=asked | {"encoding_format": "bytes"})
        only = server.client.post(path, json=asked | {"encoding_format": "bytes_only"})
        assert binary.content == only.content == b"".join(parts)
        assert binary.headers["content-type"] == only.headers["content-type"] == "application/octet-stream"
        assert "metadata" not in only.headers
        described = json.loads(binary.headers["metadata"])
        tokens = {name: plain["usage"][name] for name in ("prompt_tokens", "total_tokens")}
        assert described | {"created": 0} == {
            "id": plain["id"],
            "created": 0,
            "model": model,
            "data": [
                {
                    "index": index,
                    "embed_dtype": dtype,
                    "endianness": endianness,
                    "start": sum(map(len, parts[:index])),
                    "end": sum(map(len, parts[: index + 1])),
                    "shape": list(row.shape),
                }
                for index, row in enumerate(rows)
            ],
            "usage": tokens,
        }


def test_a_header_that_no_client_reads_is_refused(server: Server) -> None:
    body = {"model": "minilm-bi", "input": ["a"] * 1_000, "encoding_format": "bytes"}
    error = server.client.post("/v1/embeddings", json=body).json()["error"]
    assert error["message"].startswith("The header for 1,000 inputs would have ")
    assert error["param"] == "body.encoding_format"
    only = server.client.post("/v1/embeddings", json=body | {"encoding_format": "bytes_only"})
    assert len(only.content) == 1_000 * 384 * 4
