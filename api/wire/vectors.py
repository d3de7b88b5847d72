"""Writes embeddings as numbers, base64 or bytes, and reads whether texts are queries or documents."""

import base64
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from engine import Engine, Floats, Role

from ..errors import InvalidRequest

EncodingFormat = Literal["float", "base64"]
"""Numbers as JSON has them, or base64 of their bytes, row by row."""

BinaryFormat = Literal["bytes", "bytes_only"]
"""Bytes in place of JSON. With "bytes" a header says where each embedding's are, and what JSON would say of them."""

EmbedDtype = Literal["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"]
"""What numbers become in base64 and bytes."""

Endianness = Literal["native", "little", "big"]
"""The order of a number's bytes; "native" is little, as on every machine that this runs on."""

InputType = Literal["query", "document", "passage", "search_query", "search_document"]
"""Which of a model's prompts a text gets: the same two, under the names that clients have for them."""

_DTYPES: dict[EmbedDtype, Any] = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
}

_E4M3_MAX = np.float32(448)


def in_bytes(values: Floats, dtype: EmbedDtype = "float32", endianness: Endianness = "native") -> bytes:
    """All numbers in order, rounded to the nearest that `dtype` has. Those beyond it are infinite where it has that."""
    if dtype == "fp8_e4m3":  # which PyTorch saturates, and ml_dtypes does not
        values = np.clip(values, -_E4M3_MAX, _E4M3_MAX)
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values).astype(_DTYPES[dtype])
    order = ">" if endianness == "big" else "<"
    return numbers.view(f"u{numbers.itemsize}").astype(f"{order}u{numbers.itemsize}").tobytes()


def in_base64(values: Floats, dtype: EmbedDtype = "float32", endianness: Endianness = "native") -> str:
    """The same in base64."""
    return base64.b64encode(in_bytes(values, dtype, endianness)).decode()


def bytes_in_base64(values: NDArray[Any]) -> str:
    """The bytes of all numbers in order, whatever type they have."""
    return base64.b64encode(values.tobytes()).decode()


def is_normalizing(engine: Engine, **asked: bool | None) -> bool:
    """Whether embeddings are to be made of length 1, by what a request asks for under one name or another.

    Raises `InvalidRequest` where the model's own last step does so and is not to.
    """
    for name, value in asked.items():
        if value is False and engine.manifest.normalized:
            raise InvalidRequest(
                f"{name} must be true for this model, whose last step makes its embeddings of length 1: leave it out.",
                f"body.{name}",
            )
    return any(asked.values()) and not engine.manifest.normalized


def role(input_type: InputType | None) -> Role | None:
    """What the engine calls it; None for a text that is to be embedded as it is, without a prompt."""
    if input_type is None:
        return None
    return "query" if input_type in ("query", "search_query") else "document"
