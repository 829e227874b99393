"""The build before on the schema of this one: as a roll-out has them at work at the same time, and as a roll-back leaves it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg
import msgspec
import pytest

from reserve.operate.migrate import close_locks, grant_all, role_of
from services.inventory.domain.stockpile import DECIDER
from services.inventory.main import SERVICE
from services.registry import JOURNALED
from shared.clock import SystemClock
from shared.journal.connection import open_pool
from shared.journal.decider import Refused
from shared.journal.postgres import PostgresJournal, read_heads, read_records
from shared.journal.record import GENESIS, chain_hash, event_hash, hashed_bytes
from shared.process.service import Service
from shared.writer.commands import Accepted, CommandFailed, Unavailable
from shared.writer.writer import Writer
from tests.kernel.counter import Add, SetClosing, Take, counter_service
from tests.kernel.stage import Stage, context
from tests.stories.stockpile import lot, register
from tests.upgrades.earlier_journal import EarlierJournal
from tests.upgrades.lineages import down, up

INVENTORY = msgspec.structs.replace(SERVICE, deciders=(DECIDER,))  # its rules alone: what is written is the same whoever signs


@asynccontextmanager
async def a_writer(kind: type[PostgresJournal], service: Service, url: str) -> AsyncIterator[Writer]:
    pool = await open_pool(url, service.name, size=4)
    writer = Writer(kind(service.name, service.codec, pool, service.project), service.deciders, SystemClock())
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()
        await pool.close()


async def assert_one_chain(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many events there are, of which each follows the one before."""
    count = 0
    for shard, head in (await read_heads(connection)).items():
        chain = GENESIS
        for position, record in enumerate(await read_records(connection, shard, after=0, limit=1_000_000), start=1):
            assert record.position == position
            assert record.event_hash == event_hash(record.salt, hashed_bytes(record))
            assert record.chain_hash == (chain := chain_hash(chain, record.event_hash))
            count += 1
        assert head.chain_hash == chain
    return count


async def test_both_builds_write_on_one_journal_and_each_knows_what_the_other_decided(stage: Stage) -> None:
    service = counter_service(stage.name("counter"))
    await stage.prepare(service)
    url = stage.service_database_url(service.name)
    async with a_writer(EarlierJournal, service, url) as before, a_writer(PostgresJournal, service, url) as now:
        builds = before, now

        async def calls(number: int) -> None:
            name = f"n{number % 4}"
            for turn in range(25):
                command = Add(counter=name, amount=1)
                answers = [
                    await builds[(number + turn + at) % 2].submit(f"counter/{name}", command, context(f"{number}-{turn}")) for at in (0, 1)
                ]
                assert isinstance(answers[0], Accepted) and answers[0] == answers[1], "the other build gives the same answer to a repeat"

        await asyncio.gather(*(calls(number) for number in range(16)))
        for build in builds:
            refused = await build.submit("counter/n0", Take(counter="n0", amount=101), context())
            assert isinstance(refused, Refused) and refused.accepted == "at most 100"
    async with stage.sql(service.name) as sql:
        assert await assert_one_chain(sql) == 400
        assert await sql.fetchval("SELECT array_agg(total ORDER BY id) FROM counters") == [100] * 4


async def test_both_builds_set_timers_and_one_without_an_instant_is_due_with_its_day(stage: Stage) -> None:
    service = counter_service(stage.name("counter"))
    await stage.prepare(service)
    url, day = stage.service_database_url(service.name), date(2999, 1, 1)
    async with a_writer(EarlierJournal, service, url) as before, a_writer(PostgresJournal, service, url) as now:
        for name, build, at in (("a", before, None), ("b", now, None), ("c", now, datetime(2999, 1, 1, 9, 30, tzinfo=UTC))):
            await build.submit(f"counter/{name}", SetClosing(counter=name, on=None if at else day, at=at), context())
        async with now.journal.lead("timers") as lead:
            assert lead is not None
            due = [row.stream for row in await lead.due(day, datetime(2999, 1, 1, 9, 0, tzinfo=UTC))]
    assert due == ["counter/a", "counter/b"]


async def test_a_roll_back_leaves_the_build_before_a_journal_that_it_goes_on_with(database: str) -> None:
    """Up, written on; the schema down again, written on by the build before; and up once more."""
    await up("inventory", "0001")
    stream, answers = "stockpile/antimony-metal", []
    steps = [(EarlierJournal, None), (PostgresJournal, up), (EarlierJournal, None), (EarlierJournal, down), (PostgresJournal, up)]
    for number, (kind, move) in enumerate(steps):
        if move is not None:
            await move("inventory", "head" if move is up else "0001")
        async with a_writer(kind, INVENTORY, database) as writer:
            answers.append(await writer.submit(stream, register() if number == 0 else lot(f"lot_{number}"), context(f"{number}")))
            again = [
                await writer.submit(stream, register() if each == 0 else lot(f"lot_{each}"), context(f"{each}"))
                for each in range(number + 1)
            ]
            assert again == answers and all(isinstance(answer, Accepted) for answer in answers)
    connection = await asyncpg.connect(database, server_settings={"search_path": "inventory"})
    assert await assert_one_chain(connection) == len(steps)
    assert await connection.fetchval("SELECT in_stock_g FROM products") == sum(lot().units * lot().nominal_unit_g for _ in steps[1:])
    await connection.close()


async def test_this_build_writes_nothing_on_the_schema_before(database: str) -> None:
    """Migrations come first. One that was forgotten is heard of at the first write, and harms nothing."""
    await up("inventory", "0001")
    async with a_writer(PostgresJournal, INVENTORY, database) as writer:
        with pytest.raises((CommandFailed, Unavailable)):
            await writer.submit("stockpile/antimony-metal", register(), context("one"))
        await up("inventory")
        assert isinstance(await writer.submit("stockpile/antimony-metal", register(), context("one")), Accepted)


async def test_the_build_before_leads_by_locks_of_its_own_until_the_next_migration(database: str) -> None:
    """A roll-out has it at work after the first one, and a roll-back again."""
    passwords = {name: secrets.token_urlsafe(16) for name in JOURNALED}
    for name in JOURNALED:
        await up(name)
    owner = await asyncpg.connect(database)
    async with undone(owner):
        for name in JOURNALED:
            if not await owner.fetchval("SELECT to_regrole($1) IS NOT NULL", role_of(name)):
                await owner.execute(f"CREATE ROLE {role_of(name)}")

        async def may_take() -> bool:
            may: bool = await owner.fetchval(
                "SELECT has_function_privilege($1, 'pg_try_advisory_lock(bigint)', 'EXECUTE')", role_of("loans")
            )
            return may

        await grant_all(owner, passwords)
        assert await may_take()
        await owner.execute(f"SET LOCAL ROLE {role_of('loans')}")
        await close_locks(owner)  # by who is no superuser, as some platforms' owners are
        assert await may_take()
        await owner.execute("RESET ROLE")
        await grant_all(owner, passwords)
        assert not await may_take()
    await owner.close()


@asynccontextmanager
async def undone(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    """Roles are the whole server's."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
