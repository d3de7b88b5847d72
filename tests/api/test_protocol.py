"""Answers in many parts, and clients that take them slowly or not at all."""

import asyncio
import socket
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.server import ServerState

from api.connections import Connections
from api.protocol import Config, Protocol

PART = b"x" * 2**20
PARTS = 24
SECONDS = 1


async def large(request: Request) -> Response:
    async def parts() -> Any:
        for _ in range(PARTS):
            yield PART

    return StreamingResponse(parts(), headers={"content-length": str(PARTS * len(PART))})


async def taken(pause: float, sips: int) -> int:
    """The bytes that a client gets which pauses before its first sips, and before it reads the rest at once."""
    config = Config(
        Starlette(routes=[Route("/", large)]), Connections(30, 30), timeout_keep_alive=SECONDS, log_config=None
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)  # type: ignore[arg-type]
    async with server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = 0
        with client:
            for _ in range(sips):
                await asyncio.sleep(pause)
                for _ in range(16):
                    received += len(await loop.sock_recv(client, 2**16))
            try:
                while received < PARTS * len(PART) and (part := await loop.sock_recv(client, 2**16)):
                    received += len(part)
            except ConnectionResetError:
                pass
        assert await settled(state)
    return received


async def settled(state: ServerState) -> bool:
    """Whether nothing of the request is left soon."""
    for _ in range(100):
        if not state.tasks and not state.connections:
            return True
        await asyncio.sleep(0.05)
    return False


def test_a_client_that_takes_nothing_of_a_part_is_left() -> None:
    assert asyncio.run(taken(3.5 * SECONDS, 1)) < PARTS * len(PART)


def test_a_client_that_takes_a_little_has_its_time() -> None:
    assert asyncio.run(taken(0.4 * SECONDS, 8)) >= PARTS * len(PART)
