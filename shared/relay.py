"""Relay: carries the journal to Kafka, in order. It repeats after a crash, and never skips.

One process leads (an advisory lock, held by the connection that also saves the cursors: a leader that lost its lock cannot save).
It is woken by the writer of its own process, by NOTIFY from others', and by a poll.
"""

import asyncio

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import metrics
from shared.journal import UNREACHABLE, Connection, Journal, is_gone
from shared.messages import to_headers, topic_of
from shared.writer import Writer

log = structlog.get_logger()

BATCH = 1000
POLL_SECONDS = 0.5


class LostLead(Exception):
    """Another process leads, or the cursor is not where this one left it."""


class Relay:
    def __init__(self, journal: Journal, pool: asyncpg.Pool, writer: Writer, bootstrap_servers: str) -> None:
        self.journal = journal
        self.pool = pool
        self.writer = writer
        self.bootstrap_servers = bootstrap_servers
        self.leading = False
        self.channel = f"reserve_{journal.service}"
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Leads when it can; whatever breaks, it starts again from the saved cursor."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen_to_writer())
            while True:
                try:
                    async with self.pool.acquire() as connection:
                        await self._lead(connection)
                except (LostLead, KafkaError, asyncpg.InterfaceError, *UNREACHABLE) as error:
                    log.warning("relay_restarts", error=repr(error))
                self.leading = False
                await asyncio.sleep(POLL_SECONDS)

    async def _listen_to_writer(self) -> None:
        while True:
            await self.writer.committed.wait()
            self.writer.committed.clear()
            self._wake.set()
            if not self.leading:  # after the commit: NOTIFY inside it would serialise all commits of the database
                try:
                    async with self.pool.acquire() as connection:
                        await connection.execute("SELECT pg_notify($1, '')", self.channel)
                except (asyncpg.InterfaceError, *UNREACHABLE):
                    pass  # the leader polls anyway

    async def _lead(self, connection: Connection) -> None:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"relay/{self.journal.service}"):
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=256 * 1024,
            max_request_size=2 * 1024 * 1024,
            request_timeout_ms=10_000,
        )
        await connection.add_listener(self.channel, lambda *_: self._wake.set())
        try:
            await producer.start()
            self.leading = True
            cursors = {row["shard"]: row["position"] for row in await connection.fetch("SELECT shard, position FROM relay_cursors")}
            previous = {shard: await self.journal.previous_hash(connection, shard, position) for shard, position in cursors.items()}
            while True:
                self._wake.clear()
                moved = False
                for shard in cursors:
                    moved |= await self._carry(connection, producer, shard, cursors, previous)
                if not moved:
                    await self._woken()
        finally:
            self.leading = False
            await producer.stop()
            if not is_gone(connection):
                await connection.reset()  # gives the advisory lock back, and the listener

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _carry(
        self, connection: Connection, producer: AIOKafkaProducer, shard: int, cursors: dict[int, int], previous: dict[int, bytes]
    ) -> bool:
        """Sends the next records of a shard, waits for Kafka's acknowledgements, saves the cursor. False: there were none."""
        records = await self.journal.read(connection, shard, after=cursors[shard], limit=BATCH)
        metrics.relay_lag.labels(self.journal.service, shard).set(len(records))
        if not records:
            return False
        topic = topic_of(self.journal.service)
        acknowledgements = []
        for record in records:
            headers = to_headers(self.journal.service, record, previous[shard])
            acknowledgements.append(
                await producer.send(topic, value=bytes(record.data), key=record.stream.encode(), partition=shard, headers=headers)
            )
            previous[shard] = record.chain_hash
        await asyncio.gather(*acknowledgements)
        async with connection.transaction():
            # A cursor that a crash takes back only repeats messages, so its commit need not wait for the disk.
            await connection.execute("SET LOCAL synchronous_commit = off")
            saved = await connection.execute(
                "UPDATE relay_cursors SET position = $2 WHERE shard = $1 AND position = $3", shard, records[-1].position, cursors[shard]
            )
        if saved != "UPDATE 1":
            raise LostLead(f"the cursor of shard {shard} is no longer at {cursors[shard]}")
        cursors[shard] = records[-1].position
        return True
