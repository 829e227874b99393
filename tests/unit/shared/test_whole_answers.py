"""Whole answers: the bytes that uvicorn alone would send, in fewer pieces, and none of them late."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.whole_answers import WholeAnswers
from tests.waiting import HANGS_AFTER_S


class Application:
    """`/said` answers with what it was sent; `/slow` gives a piece, then another one once `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.app = Starlette(routes=[Route("/said", self.said, methods=["GET", "POST"]), Route("/slow", self.slow)])

    async def said(self, request: Request) -> Response:
        return PlainTextResponse(await request.body() or b"nothing")

    async def slow(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            await self.go.wait()
            yield b"second"

        return StreamingResponse(pieces())


@asynccontextmanager
async def connected(application: Application, http: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(application.app, http=http, log_level="error", date_header=False, server_header=False)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(HANGS_AFTER_S):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await serving


async def answers(http: Any, *requests: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    async with connected(Application(), http) as (reader, writer):
        writer.write(b"".join(requests))
        return await reader.read()


GET = b"GET /said HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /said HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
LAST = b"GET /said HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
EXPECTING = b"POST /said HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
HEAD = b"HEAD /said HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MISSING = b"GET /nothing HTTP/1.0\r\n\r\n"
MALFORMED = b"no HTTP at all\r\n\r\n"


@pytest.mark.parametrize("requests", [(LAST,), (GET, POST, GET, LAST), (EXPECTING,), (POST, HEAD), (MISSING,), (GET, MALFORMED)])
async def test_the_bytes_are_those_of_uvicorn_alone(requests: tuple[bytes, ...]) -> None:
    assert await answers(WholeAnswers, *requests) == await answers(HttpToolsProtocol, *requests) != b""


async def test_a_piece_does_not_wait_for_the_next() -> None:
    application = Application()
    async with connected(application, WholeAnswers) as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"first" in await reader.readuntil(b"first\r\n")
        application.go.set()
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"second\r\n0\r\n\r\n")


async def test_head_and_body_are_one_write() -> None:
    written: list[bytes] = []

    class Watched(WholeAnswers):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            sending = transport.write

            class Transport:
                def write(self, data: bytes) -> None:
                    written.append(data)
                    sending(data)

                def __getattr__(self, name: str) -> Any:
                    return getattr(transport, name)

            super().connection_made(Transport())  # type: ignore[arg-type]

    await answers(Watched, LAST)
    assert len(written) == 1
