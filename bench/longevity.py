"""A journal that has run for years: what an append costs at its end, and how long its state and read tables take to come back.

`--events` makes it shorter; the target is meant for 10,000,000.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median

import msgspec

from bench.figures import Figure, Options, figure
from bench.filled import PRODUCT, STREAM, database, fill, server
from bench.history import TODAY, draw, release_of
from services.inventory.main import SERVICE
from shared.clock import SystemClock
from shared.journal.connection import open_pool
from shared.journal.postgres import PostgresJournal
from shared.journal.postgres_snapshots import PostgresSnapshots
from shared.process.rebuild import rebuild_and_swap
from shared.writer.commands import Accepted, Context
from shared.writer.writer import Writer

YOUNG, FEW, MANY = 1_000, 100, 100_000  # events; open releases
WARM, ROUNDS = 10, 40
ALONE = 10  # draws one after the other, of each round
SLOWER = 1.2  # times, at most


async def longevity(options: Options) -> AsyncGenerator[Figure]:
    with tempfile.TemporaryDirectory(prefix="reserve-bench-", ignore_cleanup_errors=True) as folder:
        async with server(Path(folder)) as address:
            urls, many = {}, options.some(MANY)
            for name, length, releases in (("young", YOUNG, FEW), ("wide", many + YOUNG, many), ("old", options.events, FEW)):
                urls[name] = await database(address, name)
                await fill(urls[name], events=length, releases=releases)
                await rebuild_and_swap(SERVICE, urls[name])
            async for each in measured(urls["young"], urls["wide"], urls["old"], options.events, many):
                yield each


async def measured(young_url: str, wide_url: str, old_url: str, events: int, many: int) -> AsyncGenerator[Figure]:
    async with drawing(young_url, FEW) as young, drawing(wide_url, many) as wide, drawing(old_url, FEW) as old:
        replayed = events / await _state_s(old)
        yield figure(f"state_rebuilt_from_postgres_of_{events}_events", replayed, "events/s", at_least=400_000)
        async for each in _appends(young, wide, old, events):
            yield each
    async with drawing(old_url, FEW) as old:
        yield figure(f"state_from_snapshot_at_{events}_events", await _state_s(old), "s", at_most=1)
    async with drawing(old_url, FEW, of_other_rules) as old:
        yield figure(f"first_draw_with_void_snapshots_at_{events}_events", await _first_draw_s(old), "s")


async def _state_s(drawing: "Drawing") -> float:
    """How long a process takes that has just started."""
    began = time.perf_counter()
    await drawing.writer.state(STREAM)
    return time.perf_counter() - began


async def _first_draw_s(drawing: "Drawing") -> float:
    """From a process that has just started to its first answer, after a release that changed the rules."""
    began = time.perf_counter()
    await drawing.alone()
    return time.perf_counter() - began


def of_other_rules(kind: str) -> bytes:
    """What the build before says of a kind's rules: worked out as at any start, and another."""
    return sha256(SERVICE.rules(kind)).digest()


async def _appends(young: "Drawing", wide: "Drawing", old: "Drawing", events: int) -> AsyncGenerator[Figure]:
    """By turns, so that what else the machine does falls on all alike."""
    for _ in range(WARM):
        for each in (young, wide, old):
            await each.together()
    for each in (young, wide, old):
        each.forget()
    for number in range(ROUNDS):
        turns = (young, wide, old)
        for each in (*turns[number % 3 :], *turns[: number % 3]):
            await each.together()
            for _ in range(ALONE):
                await each.alone()
    for which, other in ((f"{events}_events", old), (f"{MANY}_open_releases", wide)):
        yield _compared(f"append_at_{which}", other.alone_s, young.alone_s)
        yield _compared(f"append_{young.at_once}_at_{which}", other.together_s, young.together_s)


def _compared(name: str, took_s: Iterable[float], young_s: Iterable[float]) -> Figure:
    value, baseline = 1000 * median(took_s), 1000 * median(young_s)
    return figure(name, value, "ms", at_most=SLOWER * baseline, baseline=baseline)


class Drawing:
    """Draws through a writer, and how long they took."""

    def __init__(self, writer: Writer, releases: int) -> None:
        self.writer = writer
        self.releases = releases
        self.at_once = writer.batch_limit
        self.together_s: list[float] = []
        self.alone_s: list[float] = []
        self._numbers = count(1_000_000_000)  # beyond all that the history has drawn

    async def together(self) -> None:
        """One batch."""
        began = time.perf_counter()
        await asyncio.gather(*(self._draw() for _ in range(self.at_once)))
        self.together_s.append(time.perf_counter() - began)

    async def alone(self) -> None:
        began = time.perf_counter()
        await self._draw()
        self.alone_s.append(time.perf_counter() - began)

    def forget(self) -> None:
        self.together_s.clear()
        self.alone_s.clear()

    async def _draw(self) -> None:
        number = next(self._numbers)
        release = number % FEW * (self.releases // FEW)  # as many different ones a batch in each journal, or one would write more rows
        drawn = msgspec.structs.replace(draw(PRODUCT, number, self.releases), release=release_of(PRODUCT, release))
        command_id = sha256(drawn.draw.encode()).digest()
        context = Context(
            command_id=command_id,
            actor="bench",
            correlation_id=command_id.hex()[:32],
            causation_id="request:bench",
            effective_on=TODAY.isoformat(),
        )
        answer = await self.writer.submit(STREAM, drawn, context)
        if not isinstance(answer, Accepted):
            raise RuntimeError(f"{drawn} was refused: {answer}")  # the figures would mean nothing


@asynccontextmanager
async def drawing(url: str, releases: int, rules: Callable[[str], bytes] = SERVICE.rules) -> AsyncIterator[Drawing]:
    pool = await open_pool(url, SERVICE.name, size=4)
    snapshots = PostgresSnapshots(pool, SERVICE.deciders, rules)
    journal = PostgresJournal(SERVICE.name, SERVICE.codec, pool, SERVICE.project)
    writer = Writer(journal, SERVICE.deciders, SystemClock(), snapshots=snapshots)
    await writer.start()
    try:
        yield Drawing(writer, releases)
    finally:
        await writer.stop()
        await pool.close()
