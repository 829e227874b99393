"""The journal as it stands in PostgreSQL: gapless, chained, append-only."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from shared.journal.connection import open_pool, reachable
from shared.journal.leads import leading
from shared.journal.postgres import read_document, read_heads
from shared.journal.protocol import Document, Unreachable
from shared.journal.record import GENESIS, chain_hash, event_hash, hashed_bytes
from shared.journal.tables import APPEND_ONLY
from shared.process.app import read_engine
from shared.process.service import Service
from shared.writer.commands import CommandFailed
from tests.kernel.counter import Add, Break, Note, counter_service
from tests.kernel.stage import Stage, context
from tests.waiting import until


@pytest.fixture(scope="module")
async def written(stage: Stage) -> Service:
    """A counter service with some hundred events, of several partners, in all shards."""
    service = counter_service(stage.name("counter"))
    async with stage.writing(service) as writer:
        for number in range(60):
            partner = (None, "JP", "US")[number % 3]
            name = f"c{number % 12}"
            await writer.submit(f"counter/{name}", Add(counter=name, amount=1, times=1 + number % 4, partner=partner), context())
    return service


async def test_positions_versions_and_partner_sequences_have_no_gap(stage: Stage, written: Service) -> None:
    positions, versions, sequences = defaultdict(list), defaultdict(list), defaultdict(list)
    for record in await stage.records(written):
        positions[record.shard].append(record.position)
        versions[record.stream].append(record.version)
        if record.partner is not None:
            sequences[record.shard, record.partner].append(record.partner_seq)
    assert len(positions) == 4 and len(versions) == 12 and len(sequences) >= 4
    for numbers in (*positions.values(), *versions.values(), *sequences.values()):
        assert numbers == list(range(1, len(numbers) + 1))


async def test_the_hashes_are_those_of_what_the_database_holds(stage: Stage, written: Service) -> None:
    chains = defaultdict(lambda: GENESIS)
    for record in await stage.records(written):
        assert record.event_hash == event_hash(record.salt, hashed_bytes(record))
        chains[record.shard] = chain_hash(chains[record.shard], record.event_hash)
        assert record.chain_hash == chains[record.shard]
    async with stage.sql(written.name) as sql:
        heads = await read_heads(sql)
    assert {shard: head.chain_hash for shard, head in heads.items()} == dict(chains)


async def test_recorded_at_never_goes_back_within_a_shard(stage: Stage, written: Service) -> None:
    times = defaultdict(list)
    for record in await stage.records(written):
        times[record.shard].append(record.recorded_at)
    assert all(each == sorted(each) for each in times.values())


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {}", "TRUNCATE {}"])
async def test_a_services_role_may_not_change_what_is_append_only(stage: Stage, written: Service, table: str, statement: str) -> None:
    column = {"events": "position = position + 1", "documents": "media_type = 'x'", "histories": "begins = 9"}[table]
    async with stage.sql(written.name, as_service=True) as sql:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute(statement.format(table, column))


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {}", "TRUNCATE {}"])
async def test_the_owner_is_stopped_by_a_trigger(stage: Stage, written: Service, table: str, statement: str) -> None:
    column = {"events": "position = position + 1", "documents": "media_type = 'x'", "histories": "begins = 9"}[table]
    async with stage.sql(written.name) as sql:
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await sql.execute(statement.format(table, column))


async def test_a_services_role_sees_nothing_of_another_schema(stage: Stage, written: Service) -> None:
    other = counter_service(stage.name("counter"))
    await stage.prepare(other)
    async with stage.sql(written.name, as_service=True) as sql:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.fetch(f"SELECT * FROM {other.name}.events")


@pytest.mark.parametrize("kind", ["pg_advisory_lock", "pg_try_advisory_lock", "pg_advisory_xact_lock", "pg_try_advisory_xact_lock"])
async def test_a_services_role_takes_no_lock_of_another_service(stage: Stage, written: Service, kind: str) -> None:
    """With one of them it would keep the other from leading: nothing of its would reach Kafka."""
    other = counter_service(stage.name("counter"))
    await stage.prepare(other)
    wanted = f"relay/{other.name}"
    async with stage.sql(written.name, as_service=True) as sql:
        for shared in ("", "_shared"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await sql.fetch(f"SELECT {kind}{shared}(hashtext($1))", wanted)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await sql.fetch(f"SELECT {kind}{shared}(1, hashtext($1))", wanted)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.fetch(f"SELECT {other.name}.take_lead($1)", wanted)
        with pytest.raises(asyncpg.RaiseError, match=f"{wanted} is no lead of {written.name}"):
            await sql.fetch("SELECT take_lead($1)", wanted)
        assert await sql.fetchval("SELECT take_lead($1)", f"relay/{written.name}"), "its own"
    pool = await open_pool(stage.service_database_url(other.name), other.name, size=1)
    async with pool, leading(pool, wanted) as connection:
        assert connection is not None


async def test_a_document_is_stored_with_its_event_or_not_at_all(stage: Stage, written: Service) -> None:
    kept, lost = Document(b"kept"), Document(b"lost")
    async with stage.writing(written) as writer, stage.sql(written.name) as sql:
        await writer.submit("counter/d", Note(counter="d", document=kept.name), context(documents=(kept,)))
        with pytest.raises(CommandFailed):
            await writer.submit("counter/d", Break(), context(documents=(lost,)))
        assert await read_document(sql, kept.name) == kept
        assert await read_document(sql, lost.name) is None


async def test_a_connection_that_is_busy_with_what_was_cut_off_is_taken_for_lost(stage: Stage) -> None:
    """As that of a leader that was stopped for long: a line that took it for an error of its data stood still for ever."""
    async with stage.sql() as connection, stage.sql() as onlooker:
        pid = connection.get_server_pid()
        cut_off = asyncio.create_task(connection.execute("SELECT pg_sleep(600)"))
        await until(lambda: onlooker.fetchval("SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1", pid))
        with pytest.raises(Unreachable), reachable(connection):
            await connection.execute("SELECT 1")
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)


async def test_a_connection_whose_transaction_was_cut_off_is_taken_for_lost(stage: Stage) -> None:
    async with stage.sql() as connection:
        await connection.execute("BEGIN")  # as of a use that never came to its end
        with pytest.raises(Unreachable), reachable(connection):
            async with connection.transaction():
                pass
        await connection.execute("ROLLBACK")


async def test_a_leader_that_is_stopped_in_mid_copy_holds_nobody_up(
    stage: Stage, written: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is at work, as the server sees it, and waits for the rest."""
    monkeypatch.setattr("shared.journal.connection.SILENT_SECONDS", 0.5)
    goes_on = asyncio.Event()

    async def half_a_copy() -> AsyncIterator[bytes]:
        yield b"a"
        await goes_on.wait()

    async def another_leads() -> bool:
        async with leading(others, role) as connection:
            return connection is not None

    role = f"relay/{written.name}"
    pools = [await open_pool(stage.database_url, written.name, size=1) for _ in range(2)]
    async with pools[0] as own, pools[1] as others, leading(own, role) as connection:
        assert connection is not None and not await another_leads()
        await connection.execute("CREATE TEMPORARY TABLE copied (it text)")
        copying = asyncio.create_task(connection.copy_to_table("copied", source=half_a_copy()))
        await until(another_leads)
        goes_on.set()
        with pytest.raises(Unreachable), reachable():
            await copying


async def test_a_read_whose_session_is_ended_is_told_that_the_database_is_away(stage: Stage) -> None:
    engine = read_engine(stage.database_url, "public")
    async with engine.connect() as connection, stage.sql() as onlooker:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        cut_off = asyncio.create_task(connection.execute(text("SELECT pg_sleep(600)")))
        await until(lambda: onlooker.fetchval("SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1", pid))
        await onlooker.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(Unreachable):
            await cut_off
    await engine.dispose()
