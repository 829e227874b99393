"""A proxy before PostgreSQL that is slow, or breaks connections in mid-commit: where the commit has happened, its client does not know."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_COMMITS = re.compile(rb"COMMIT;\0|[a-z]\.[a-z_]+\.v[0-9]")  # asyncpg's query, or events: the statement that adds them may be all there is
_DONE = b"Z\0\0\0\5"  # ReadyForQuery: the end of an answer


class BreakingProxy:
    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._armed = False
        self.swallowed = False
        self.url = ""
        self.delay_s = 0.0  # by so much each answer comes later
        self.cut_every = 0  # each so manieth COMMIT breaks its connection: by turns before it arrives, and once it is done; 0: none does
        self.unheard = self.unanswered = 0  # how many have broken one way, and the other
        self._commits = 0

    def swallow_next_commit(self) -> None:
        """The next answer to a COMMIT is not passed on; its connection breaks instead."""
        self._armed = True

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._behind._replace(netloc=f"{self._behind.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        connection = _Connection()
        ways = [
            asyncio.create_task(self._pass_on(connection, client, to_server)),
            asyncio.create_task(self._answer(connection, server, to_client)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for writer in (to_client, to_server):
            writer.transport.abort()

    async def _pass_on(self, connection: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if _COMMITS.search(chunk):
                    if self._armed:
                        self._armed, connection.loses_its_answer = False, True
                    elif self._is_to_be_cut():
                        if self.unheard <= self.unanswered:
                            self.unheard += 1
                            return
                        connection.loses_its_answer = True
                writer.write(chunk)
                await writer.drain()

    async def _answer(self, connection: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if connection.loses_its_answer and _DONE in chunk:
                    self.unanswered += 1
                    self.swallowed = True
                    return
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()

    def _is_to_be_cut(self) -> bool:
        self._commits += 1
        return self.cut_every > 0 and self._commits % self.cut_every == 0


class _Connection:
    loses_its_answer = False


@asynccontextmanager
async def breaking_proxy(url: str) -> AsyncIterator[BreakingProxy]:
    proxy = BreakingProxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
