"""Draws through a writer without HTTP: on one stockpile, 512 waiting at any time."""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncGenerator
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvloop

from bench.figures import Figure, Options, figure
from bench.filled import PRODUCT, STREAM, database, server
from bench.history import TODAY, draw, events_of, stocked
from services.inventory.domain.stockpile import DECIDER
from services.inventory.main import SERVICE
from shared.clock import SystemClock
from shared.journal.connection import open_pool
from shared.journal.postgres import PostgresJournal
from shared.writer.commands import Accepted, Context
from shared.writer.writer import Writer

RELEASES, WAITING = 100, 512
WARM, DRAWS = 5_000, 60_000


async def writer(_options: Options) -> AsyncGenerator[Figure]:
    """Beside it, the same commands decided and evolved in memory alone."""
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with server(Path(folder)) as address:
            url = await database(address, "journal")
            rate = await asyncio.to_thread(uvloop.run, _measured(url))  # as the services run
    yield figure("commands_through_the_writer", rate, "commands/s", at_least=20_000, baseline=_in_memory())


async def _measured(url: str) -> float:
    pool = await open_pool(url, SERVICE.name, size=8)
    writer = Writer(PostgresJournal(SERVICE.name, SERVICE.codec, pool, SERVICE.project), (DECIDER,), SystemClock())
    await writer.start()
    try:
        for number, command in enumerate(stocked(PRODUCT, RELEASES)):
            await _submit(writer, command, _context(f"stock {number}"))
        await _storm(writer, range(WARM))
        return await _storm(writer, range(WARM, WARM + DRAWS))
    finally:
        await writer.stop()
        await pool.close()


async def _storm(writer: Writer, numbers: range) -> float:
    """Draws a second by clients, each of which submits when it was answered."""
    waiting = iter([(draw(PRODUCT, number, RELEASES), _context(f"draw {number}")) for number in numbers])

    async def client() -> None:
        for command, context in waiting:
            await _submit(writer, command, context)

    gc.collect()
    gc.freeze()  # as the services do: what waits here is none of the writer's garbage
    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(WAITING)))
    return len(numbers) / (time.perf_counter() - began)


async def _submit(writer: Writer, command: Any, context: Context) -> None:
    answer = await writer.submit(STREAM, command, context)
    if not isinstance(answer, Accepted):
        raise RuntimeError(f"{command} was refused: {answer}")  # the figures would mean nothing


def _context(name: str) -> Context:
    command_id = sha256(name.encode()).digest()
    return Context(
        command_id=command_id,
        actor="0f4f0d6f6a8e4f6c8f4b3b1d",
        correlation_id=command_id.hex()[:32],
        causation_id=f"request:{command_id.hex()[:32]}",
        effective_on=TODAY.isoformat(),
        fingerprint=command_id,
    )


def _in_memory() -> float:
    state = reduce(DECIDER.evolve, events_of(stocked(PRODUCT, RELEASES)), DECIDER.initial)
    commands = [draw(PRODUCT, number, RELEASES) for number in range(DRAWS)]
    began = time.perf_counter()
    for _ in events_of(iter(commands), state):
        pass
    return len(commands) / (time.perf_counter() - began)
