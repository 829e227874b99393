"""A stream is replayed from its last snapshot, and from its first event where that does not count: to the same state either way."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.journal.connection import open_pool
from shared.journal.postgres_snapshots import PostgresSnapshots
from shared.journal.snapshots import encoded
from shared.process.service import Service
from shared.writer.commands import Accepted
from shared.writer.writer import Writer
from tests.kernel.counter import Add, Counter, counter_service
from tests.kernel.stage import Stage, context, until

STREAM = "counter/a"
WRONG = Counter(total=1_000)  # no events add up to it: who says it has read the snapshot


@asynccontextmanager
async def writing(stage: Stage, service: Service, rules: bytes | None = None) -> AsyncIterator[Writer]:
    """A process that starts with nothing in its memory, and keeps a snapshot every ten events."""
    if service.name not in stage.passwords:
        await stage.prepare(service)
    pool = await open_pool(stage.service_database_url(service.name), service.name, size=2)
    snapshots = PostgresSnapshots(pool, service.deciders, service.rules if rules is None else lambda _kind: rules)
    try:
        async with stage.writing(service, snapshots=snapshots, snapshot_every=10) as writer:
            yield writer
    finally:
        await pool.close()


async def add(writer: Writer, times: int) -> int:
    """The stream's version after so many more events."""
    answer = await writer.submit(STREAM, Add(counter="a", amount=1, times=times), context(secrets.token_hex(8)))
    assert isinstance(answer, Accepted)
    return answer.version


@pytest.fixture
async def counting(stage: Stage) -> AsyncIterator[Service]:
    """A counter with 12 events and a snapshot of them, which says something else."""
    service = counter_service(stage.name("counter"))
    async with writing(stage, service) as writer, stage.sql(service.name) as sql:
        assert await add(writer, 9) == 9
        assert not await sql.fetchval("SELECT count(*) FROM snapshots"), "there is nothing to save yet"
        assert await add(writer, 3) == 12
        await until(
            lambda: sql.fetchval("SELECT version = 12 AND state = $2 FROM snapshots WHERE stream = $1", STREAM, encoded(Counter(12)))
        )
        await sql.execute("UPDATE snapshots SET state = $1", encoded(WRONG))
    yield service


async def test_a_process_that_starts_replays_only_what_came_after_the_snapshot(stage: Stage, counting: Service) -> None:
    async with writing(stage, counting) as reader:
        assert await reader.state(STREAM) == (WRONG, 12)
    async with writing(stage, counting) as writer:
        assert await add(writer, 2) == 14
        assert await writer.state(STREAM) == (Counter(WRONG.total + 2), 14)
    async with writing(stage, counting) as reader:
        assert await reader.state(STREAM) == (Counter(WRONG.total + 2), 14)


async def test_rules_that_have_changed_read_no_snapshot_and_make_a_new_one(stage: Stage, counting: Service) -> None:
    async with writing(stage, counting, rules=b"other") as writer, stage.sql(counting.name) as sql:
        assert await writer.state(STREAM) == (Counter(12), 12)
        assert await add(writer, 1) == 13, "not a round number, but all of it was replayed"
        await until(lambda: sql.fetchval("SELECT version = 13 AND rules = 'other' AND state = $1 FROM snapshots", encoded(Counter(13))))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE snapshots SET chain_hash = sha256(chain_hash)",  # the journal was restored, and went on otherwise
        "UPDATE snapshots SET version = 13",  # the journal was restored, and has not come so far again
        "UPDATE snapshots SET state = 'what is this'",
        "DELETE FROM snapshots",
    ],
)
async def test_a_snapshot_that_does_not_count_is_passed_over(stage: Stage, counting: Service, change: str) -> None:
    async with stage.sql(counting.name) as sql:
        await sql.execute(change)
    async with writing(stage, counting) as writer:
        assert await add(writer, 1) == 13
        assert await writer.state(STREAM) == (Counter(13), 13)
