"""Read tables made anew from the journal and put in the place of the live ones, while draws go on."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path

import asyncpg

from bench.figures import Figure, Options, figure
from bench.filled import SHARD, database, fill, server
from bench.longevity import Drawing, drawing
from services.inventory.main import SERVICE
from shared.journal.postgres import read_heads
from shared.process.rebuild import rebuild_and_swap

EVENTS, RELEASES = 500_000, 100
CLIENTS = 4


async def tables(options: Options) -> AsyncGenerator[Figure]:
    """Beside it, the same with nobody writing."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with server(Path(folder)) as address:
            url = await database(address, "journal")
            await fill(url, events=options.some(EVENTS), releases=RELEASES)
            alone = await _rebuilt(url)
            async with drawing(url, RELEASES) as draws, _going_on(draws):
                going_on = await _rebuilt(url)
            yield figure("read_tables_rebuilt", going_on, "events/s", at_least=50_000, baseline=alone)
            yield figure("draws_meanwhile", len(draws.alone_s) / sum(draws.alone_s) * CLIENTS, "draws/s")


@asynccontextmanager
async def _going_on(draws: Drawing) -> AsyncIterator[None]:
    async def client() -> None:
        while True:
            await draws.alone()

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    try:
        yield
    finally:
        for each in clients:
            each.cancel()
        for outcome in await asyncio.gather(*clients, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _rebuilt(url: str) -> float:
    """Events a second, in a process of its own as `reserve rebuild` is."""
    began = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        await asyncio.get_running_loop().run_in_executor(other, _rebuild, url)
    took_s = time.perf_counter() - began
    connection = await asyncpg.connect(url, server_settings={"search_path": SERVICE.name})
    try:
        return (await read_heads(connection))[SHARD].position / took_s
    finally:
        await connection.close()


def _rebuild(url: str) -> None:
    asyncio.run(rebuild_and_swap(SERVICE, url))
