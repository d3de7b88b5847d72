import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import Request

from api.errors import BodyTooLarge, BodyTooSlow, ServerBusy
from api.limits import Gate, Limits, read_body


def test_a_full_gate_refuses_and_counts_out_whoever_fails() -> None:
    gate = Gate(2)
    with gate.entered():
        with suppress(ZeroDivisionError), gate.entered():
            assert gate.inside == 2
            with pytest.raises(ServerBusy, match="answering 2 requests"), gate.entered():
                pass
            raise ZeroDivisionError
        assert gate.inside == 1
    assert gate.inside == 0


def body(limits: Limits, chunks: Iterable[bytes], **headers: str) -> tuple[bytes, int]:
    """What is read of a body that comes in chunks and does not end, and how many of them were asked for."""
    coming = iter(chunks)
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        chunk = next(coming, None)
        if chunk is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk, "more_body": chunk != b"end"}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    try:
        return asyncio.run(read_body(Request({"type": "http", "headers": raw}, receive), limits)), asked
    except Exception as error:
        error.add_note(f"asked {asked}")
        raise


def test_a_body_is_read_to_its_end() -> None:
    assert body(Limits(max_body_bytes=7), [b"abcd", b"end"]) == (b"abcdend", 2)


def test_a_body_that_is_declared_too_large_is_not_asked_for() -> None:
    with pytest.raises(BodyTooLarge, match="larger than 6 bytes") as raised:
        body(Limits(max_body_bytes=6), [b"abcd", b"end"], content_length="7")
    assert raised.value.__notes__ == ["asked 0"]


def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    with pytest.raises(BodyTooLarge) as raised:
        body(Limits(max_body_bytes=6), [b"abcd", b"efgh", b"end"])
    assert raised.value.__notes__ == ["asked 2"]


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(BodyTooSlow, match=r"did not arrive within 0\.05 s") as raised:
        body(Limits(timeout=0.05), [b"abcd"])
    assert raised.value.status == 408
