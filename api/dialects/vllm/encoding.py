"""Writes embeddings as a request asks: as JSON, or as bytes that a header describes."""

import json
from collections.abc import Sequence

from engine import Floats

from ...endpoint import Binary
from ...errors import InvalidRequest
from ...wire.answers import numbers
from ...wire.vectors import BinaryFormat, EmbedDtype, EncodingFormat, Endianness, in_base64, in_bytes
from .common import Common, CompletionUsage

_HEADER_BYTES = 65_536
"""How long a header may be for Python's own client; others take less."""


class Encoded(Common, kw_only=True):
    """How embeddings are written. `embed_dtype` and `endianness` are for base64 and bytes."""

    encoding_format: EncodingFormat | BinaryFormat = "float"
    embed_dtype: EmbedDtype = "float32"
    endianness: Endianness = "native"

    def encoded(self, values: Floats) -> list[float | list[float]] | str:
        """An embedding `[dim]`, or token embeddings `[tokens, dim]`, for JSON."""
        if self.encoding_format == "base64":
            return in_base64(values, self.embed_dtype, self.endianness)
        written: list[float | list[float]] = numbers(values)
        return written

    def binary(
        self, rows: Sequence[Floats], identifier: str, created: int, model: str, usage: CompletionUsage
    ) -> Binary | None:
        """The answer in bytes, or None where JSON is asked for. Raises `InvalidRequest` for too long a header."""
        if self.encoding_format not in ("bytes", "bytes_only"):
            return None
        parts = [in_bytes(row, self.embed_dtype, self.endianness) for row in rows]
        if self.encoding_format == "bytes_only":
            return Binary(parts)
        data, start = [], 0
        for index, (row, part) in enumerate(zip(rows, parts, strict=True)):
            data.append({
                "index": index,
                "embed_dtype": self.embed_dtype,
                "endianness": self.endianness,
                "start": start,
                "end": start + len(part),
                "shape": row.shape,
            })  # fmt: skip
            start += len(part)
        tokens = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens}
        metadata = json.dumps({"id": identifier, "created": created, "model": model, "data": data, "usage": tokens})
        if len(metadata) > _HEADER_BYTES:
            raise InvalidRequest(
                f"The header for {len(rows):,} inputs would have {len(metadata):,} bytes, more than clients read: set "
                'encoding_format to "bytes_only", or send fewer at a time.',
                "body.encoding_format",
            )
        return Binary(parts, {"metadata": metadata})
