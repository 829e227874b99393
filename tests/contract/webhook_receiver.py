"""A receiver of webhooks on the loopback, which answers as a test wants it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class Received(msgspec.Struct, frozen=True):
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return msgspec.json.decode(self.body)


type Answers = Callable[[Received], Awaitable[int | None]]  # a status; None: the connection is cut


class Receiver:
    """`received`: all that came, in its order. `taken`: what was answered with 2xx."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.taken: list[Received] = []
        self.answers: Answers = ok

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                one = Received(headers, await reader.readexactly(int(headers["content-length"])))
                self.received.append(one)
                status = await self.answers(one)
                if status is None:
                    return
                if 200 <= status < 300:
                    self.taken.append(one)
                writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender has gone
        finally:
            writer.close()


async def ok(_: Received) -> int:
    return 200


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
    try:
        yield receiver
    finally:
        server.close()
