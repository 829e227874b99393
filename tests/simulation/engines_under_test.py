"""The engines that the conformance tests run on: PostgreSQL and Kafka, and the simulated ones."""

import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter

from shared.delivery.broker import Broker
from shared.delivery.kafka_broker import KafkaBroker
from shared.delivery.topics import ensure_topics
from shared.journal.connection import Connection, open_pool
from shared.journal.postgres import PostgresJournal
from shared.journal.protocol import Changes, Head, Journal, Outcome
from shared.journal.record import Fact, Record, chain_hash, event_hash, hashed_bytes
from shared.process.service import Service
from tests.kernel.counter import DECIDER, Added, Event
from tests.kernel.stage import Stage
from tests.simulation.chance import Chance, Rates
from tests.simulation.process import Process
from tests.simulation.sim_broker import SimBroker, Topics
from tests.simulation.sim_journal import SimJournal, Store

SOURCE = "source"  # the service whose events feed the table
RECORDED_AT = datetime(2026, 1, 6, 1, 2, 3, 4, tzinfo=UTC)


class JournalEngine:
    """A journal of 4 shards with one read table: the places of its own events, and of those that were taken from SOURCE."""

    service: Service

    async def open(self) -> Journal:
        """As another process opens it."""
        raise NotImplementedError

    async def seen(self) -> set[str]:
        raise NotImplementedError

    async def end_sessions(self) -> None:
        """The store ends every session that holds something."""
        raise NotImplementedError


class SimulatedJournal(JournalEngine):
    def __init__(self) -> None:
        self.service = _service("simulated")
        self.chance = Chance(0)
        self.chance.rates = Rates(latency_s=0.0)
        self.tables: set[str] = set()

        def see(tables: set[str], facts: Sequence[Fact]) -> None:
            places = {fact.place for fact in facts}
            assert not places & tables, "seen before"
            tables |= places

        self.store = Store("simulated", 4, tables=self.tables, project=see, takes={SOURCE: see})

    async def open(self) -> Journal:
        return SimJournal(self.store, self.service.codec, Process(secrets.token_hex(2), self.chance))

    async def seen(self) -> set[str]:
        return self.tables

    async def end_sessions(self) -> None:
        self.store.end_transactions()
        for role in list(self.store.leading):
            self.store.lose_session(role, broken=True)


class RealJournal(JournalEngine):
    def __init__(self, stage: Stage, stack: AsyncExitStack) -> None:
        self.service = _service(stage.name("conformance"))
        self.stage = stage
        self.stack = stack

    async def open(self) -> Journal:
        name = self.service.name
        if name not in self.stage.passwords:
            await self.stage.prepare(self.service)
        pool = await open_pool(self.stage.service_database_url(name), name, size=6)
        self.stack.push_async_callback(pool.close)
        return PostgresJournal(name, self.service.codec, pool, _see, {SOURCE: _see})

    async def seen(self) -> set[str]:
        async with self.stage.sql(self.service.name) as sql:
            return {row["place"] for row in await sql.fetch("SELECT place FROM seen")}

    async def end_sessions(self) -> None:
        async with self.stage.sql() as sql:
            await sql.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1
                   AND (state = 'idle in transaction' OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))""",
                f"reserve-{self.service.name}",
            )


def _service(name: str) -> Service:
    tables = sa.MetaData()
    sa.Table("seen", tables, sa.Column("place", sa.Text, primary_key=True))
    return Service(name=name, deciders=(DECIDER,), event_type=Event, project=_see, tables=tables, router=APIRouter)


async def _see(connection: Connection, facts: Sequence[Fact]) -> None:
    await connection.executemany("INSERT INTO seen VALUES ($1)", [(fact.place,) for fact in facts])


# What to append


def command(name: str) -> bytes:
    return sha256(name.encode()).digest()


def changes(
    engine: JournalEngine, shard: int, head: Head, stream: str, *, count: int = 1, version: int = 0, partner: str | None = None, **more: Any
) -> Changes:
    """`count` events of a command named after the stream and `version`, which they follow, as the head. Partners count from 1."""
    own_command = command(f"{stream}/{version}")
    facts, chain = [], head.chain_hash
    for step in range(1, count + 1):
        event = Added(counter=stream, amount=step, partner=partner)
        record = Record(
            shard=shard,
            position=head.position + step,
            stream=stream,
            version=version + step,
            type="counter.added.v1",
            data=msgspec.Raw(engine.service.codec.encode(event)),
            partner=partner,
            partner_seq=None if partner is None else step,
            effective_on="2026-01-05",
            recorded_at="2026-01-06T01:02:03.000004Z",
            command_id=own_command.hex(),
            actor="tester",
            correlation_id=own_command[:16].hex(),
            causation_id="request:test",
            salt=own_command[:16],
            event_hash=b"",
            chain_hash=b"",
        )
        own = event_hash(record.salt, hashed_bytes(record))
        chain = chain_hash(chain, own)
        facts.append(Fact(engine.service.name, msgspec.structs.replace(record, event_hash=own, chain_hash=chain), event))
    outcome = Outcome(
        shard=shard,
        command_id=own_command,
        fingerprint=b"input",
        first_position=head.position + 1 if count else None,
        events=count,
        stream=stream,
        version=version + count,
        refused=None,
    )
    return Changes(**({"recorded_at": RECORDED_AT, "facts": facts, "outcomes": [outcome]} | more))


async def append(engine: JournalEngine, journal: Journal, shard: int, stream: str, **what: Any) -> Changes:
    async with journal.append(shard, []) as appending:
        added = changes(engine, shard, appending.head, stream, **what)
        await appending.save(added)
    return added


# Brokers


class BrokerEngine:
    """Two topics of two partitions each, that no other test has."""

    topics: tuple[str, str]

    async def open(self) -> Broker:
        raise NotImplementedError


class SimulatedBroker(BrokerEngine):
    def __init__(self) -> None:
        self.topics = ("one", "other")
        self.chance = Chance(0)
        self.chance.rates = Rates(latency_s=0.0)
        self.held = Topics(dict.fromkeys(self.topics, 2))

    async def open(self) -> Broker:
        return SimBroker(self.held, Process(secrets.token_hex(2), self.chance))


class RealBroker(BrokerEngine):
    def __init__(self, stage: Stage) -> None:
        self.topics = (f"test.{stage.name('one')}", f"test.{stage.name('other')}")
        self.servers = stage.servers.kafka

    async def open(self) -> Broker:
        await ensure_topics(self.servers, dict.fromkeys(self.topics, 2))
        return KafkaBroker(self.servers)
