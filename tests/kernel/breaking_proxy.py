"""A proxy before PostgreSQL that can lose the answer to a COMMIT: the commit has happened, and its client does not know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_COMMITTED = b"COMMIT\0"  # the tag of a CommandComplete message


class BreakingProxy:
    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._armed = False
        self.swallowed = False
        self.url = ""

    def swallow_next_commit(self) -> None:
        """The next answer to a COMMIT is not passed on; its connection breaks instead."""
        self._armed = True

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._behind._replace(netloc=f"{self._behind.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        ways = [asyncio.create_task(self._pass_on(client, to_server)), asyncio.create_task(self._answer(server, to_client))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for writer in (to_client, to_server):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if self._armed and _COMMITTED in chunk:
                    self._armed, self.swallowed = False, True
                    return
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def breaking_proxy(url: str) -> AsyncIterator[BreakingProxy]:
    proxy = BreakingProxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
