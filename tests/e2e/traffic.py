"""Many clients at once, some of whom behave badly, over plain sockets so that they cost the machine little."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_TIMEOUT = 120.0


class Question(NamedTuple):
    """A request, and the answer that it must have but for its id and time."""

    path: str
    body: bytes
    answer: Any


class Answered(NamedTuple):
    status: int
    body: Any


async def send(url: str, questions: Sequence[Question], *, clients: int, requests: int, seed: int) -> dict[str, int]:
    """Have `clients` send `requests` between them, about a third of them bad, and count what came back by its kind.

    Raises `AssertionError` for a good request that is not answered right, or a bad one that is not refused.
    """
    host, port = url.removeprefix("http://").split(":")
    counts = {"answered": 0, "refused": 0, "abandoned": 0}
    left = iter(range(requests))

    async def client(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        connection = None
        for _ in left:
            if connection is None:
                connection = await asyncio.open_connection(host, int(port))
            if chance.random() < 0.67:
                question = chance.choice(questions)
                answered = await ask(connection, question.path, question.body)
                assert _alike(answered, Answered(200, question.answer)), (question, answered)
                counts["answered"] += 1
                continue
            kind = await chance.choice(_BAD)(connection, chance, chance.choice(questions))
            counts[kind] += 1
            if kind == "abandoned":
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async with asyncio.timeout(_TIMEOUT * 5):
        await asyncio.gather(*(client(number) for number in range(clients)))
    return counts


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(connection: Connection, path: str, body: bytes) -> Answered:
    """The answer to one request, without what differs from one time to the next."""
    reader, writer = connection
    writer.write(_head(path, len(body)) + body)
    await writer.drain()
    async with asyncio.timeout(_TIMEOUT):
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        content = json.loads(await reader.readexactly(length))
    for name in ("id", "created", "request_id"):
        content.pop(name, None)
    return Answered(status, content)


def _alike(found: Any, expected: Any) -> bool:
    """Whether two answers are the same but for the last digits of their numbers, which follow what shared the run."""
    if isinstance(found, float) and isinstance(expected, float):
        return abs(found - expected) < 1e-5
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(_alike, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(_alike(found[key], expected[key]) for key in found)
    return bool(found == expected)


def _head(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode()


async def _invalid(connection: Connection, chance: random.Random, question: Question) -> str:
    """What the server can read, and must refuse."""
    path, body = chance.choice(
        [
            (question.path, question.body[:-1]),
            (question.path, b"[]"),
            (question.path, b""),
            ("/rerank", b'{"query": 1, "documents": []}'),
            ("/rerank", b'{"query": "a", "documents": ["b"], "model": "nope"}'),
            ("/score", b'{"queries": ["a", "b"], "documents": ["c", "d", "e"]}'),
            ("/v1/embeddings", b'{"input": [123456789]}'),
            ("/nope", b"{}"),
        ]
    )
    answered = await ask(connection, path, body)
    assert 400 <= answered.status < 500, (path, body, answered)
    assert answered.body["error"]["code"] == answered.status
    return "refused"


async def _garbage(connection: Connection, chance: random.Random, question: Question) -> str:
    connection[1].write(chance.randbytes(200) + b"\r\n\r\n")
    await connection[1].drain()
    return "abandoned"


async def _leave_while_sending(connection: Connection, chance: random.Random, question: Question) -> str:
    connection[1].write(_head(question.path, len(question.body)) + question.body[: len(question.body) // 2])
    await connection[1].drain()
    return "abandoned"


async def _leave_while_waiting(connection: Connection, chance: random.Random, question: Question) -> str:
    connection[1].write(_head(question.path, len(question.body)) + question.body)
    await connection[1].drain()
    await asyncio.sleep(chance.random() / 100)
    return "abandoned"


_BAD: list[Callable[..., Any]] = [_invalid, _garbage, _leave_while_sending, _leave_while_waiting]
