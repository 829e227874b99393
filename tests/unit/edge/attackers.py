"""Attackers, many at once, and the honest caller beside them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import httpx

from tests.unit.edge.setting import Setting
from tests.waiting import HANGS_AFTER_S

HONEST_S = 5.0  # on any machine; beside the attack that it is for, it was 41 s, or never


class Attackers:
    """Many connections, each of which has sent the same."""

    def __init__(self, setting: Setting, sent: bytes) -> None:
        self._port = int(setting.url.rsplit(":", 1)[1])
        self._sent = sent
        self.readers: list[asyncio.StreamReader] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def come(self, count: int) -> None:
        for _ in range(0, count, 50):
            await asyncio.gather(*(self._one() for _ in range(50)))

    async def _one(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.readers.append(reader)
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            writer.write(self._sent)
            await writer.drain()

    def leave(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def attacked(setting: Setting, count: int, sent: bytes) -> AsyncIterator[Attackers]:
    attackers = Attackers(setting, sent)
    try:
        await attackers.come(count)
        yield attackers
    finally:
        attackers.leave()


async def an_honest_caller_is_answered(setting: Setting) -> None:
    for _ in range(10):
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=setting.url, timeout=HANGS_AFTER_S) as http:
            assert (await http.post("/inventory/v1/echo/", content=b"honest")).status_code == 200
        assert time.monotonic() - began < HONEST_S
