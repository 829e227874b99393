"""Inbox: takes other services' events, in order, each once.

A *line* is one shard of one source. Its cursor is the position and chain hash of the last event taken. The next position with the
right previous hash is taken; an old one with the same hash is a repeat; a later one shows a gap, which the source's journal feed
fills; a hash that differs is a fork (the source was restored to the past), and the line stops. Commands are settled first, under ids
that derive from the event, so a repeat does nothing; then foreign-fed read tables and the cursor are saved in one transaction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared import metrics
from shared.codec import Codec, without_version
from shared.decider import Refused
from shared.journal import UNREACHABLE, Connection, Document
from shared.messages import Headed, NotAnEvent, from_feed, from_message, topic_of
from shared.record import GENESIS, Fact, Record
from shared.sources import UNANSWERED, Sources
from shared.writer import CommandFailed, Context, Overloaded, Unavailable, Writer

log = structlog.get_logger()

BATCH = 500
IDLE_SECONDS = 5.0  # a line without news compares itself with its source's head this often
REMEMBERED = 4096  # chain hashes a line keeps to tell a repeat from a fork


class Reaction(msgspec.Struct, frozen=True):
    """A command that follows from another service's event. Its `decide` is total: it never refuses."""

    stream: str
    command: Any
    effective_on: str | None = None  # None: the event's own day
    documents: tuple[Document, ...] = ()


type React = Callable[[Fact, Mapping[str, bytes]], Sequence[Reaction]]
type Needs = Callable[[Fact], Sequence[str]]
type Take = Callable[[Connection, Sequence[Fact]], Awaitable[None]]


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a service takes of one source. `types` None: all of them, known or not, and nothing is ever parked."""

    source: str
    codec: Codec
    types: frozenset[str] | None
    react: React | None = None
    needs: Needs | None = None
    take: Take | None = None  # feeds read tables, in the cursor's transaction


class Stopped(Exception):
    """The line cannot go on without a person: `reason` says why."""


class Fork(Stopped):
    """The source's history is not the one that was taken before."""


class LostCursor(Exception):
    """Another process moved the cursor."""


class Line:
    """One shard of one source: cursor, and whether it stands still."""

    def __init__(self, subscription: Subscription, shard: int, position: int, chain: bytes, kafka_offset: int) -> None:
        self.subscription = subscription
        self.shard = shard
        self.position = position
        self.chain = chain
        self.kafka_offset = kafka_offset
        self.stopped: str | None = None
        self.stopped_at: Headed | None = None
        self.heard = 0.0
        self.parked_streams: set[str] = set()
        self.remembered: OrderedDict[int, bytes] = OrderedDict({position: chain})

    @property
    def source(self) -> str:
        return self.subscription.source

    @property
    def name(self) -> str:
        return f"{self.source}/{self.shard}"

    def moved(self, position: int, chain: bytes) -> None:
        self.position, self.chain = position, chain
        self.remembered[position] = chain
        while len(self.remembered) > REMEMBERED:
            self.remembered.popitem(last=False)


class Inbox:
    """All lines of a service. One process runs them (an advisory lock); the cursor's compare-and-set keeps a second one out."""

    def __init__(
        self,
        service: str,
        pool: asyncpg.Pool,
        writer: Writer,
        sources: Sources,
        subscriptions: Sequence[Subscription],
        bootstrap_servers: str,
    ) -> None:
        self.service = service
        self.pool = pool
        self.writer = writer
        self.sources = sources
        self.subscriptions = {subscription.source: subscription for subscription in subscriptions}
        self.bootstrap_servers = bootstrap_servers
        self.lines: dict[tuple[str, int], Line] = {}
        self.leading = False
        self.moved = asyncio.Condition()  # notified when a cursor moves

    async def run(self) -> None:
        if not self.subscriptions:
            return
        while True:
            try:
                async with self.pool.acquire() as connection:
                    try:
                        if await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"inbox/{self.service}"):
                            await self._lead(connection)
                    finally:
                        self.leading = False
                        if not connection.is_closed():
                            await connection.reset()
            except (LostCursor, Unavailable, Overloaded, KafkaError, *UNANSWERED, asyncpg.InterfaceError, *UNREACHABLE) as error:
                log.warning("inbox_restarts", error=repr(error))
            await asyncio.sleep(0.5)

    @property
    def stopped(self) -> dict[str, str]:
        """The lines that stand still, with why."""
        return {line.name: line.stopped for line in self.lines.values() if line.stopped is not None}

    async def reached(self, source: str, shard: int, position: int) -> None:
        """Waits until `position` has been taken."""
        async with self.moved:
            await self.moved.wait_for(lambda: (line := self.lines.get((source, shard))) is not None and line.position >= position)

    async def _lead(self, connection: Connection) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        try:
            await consumer.start()
            partitions = await self._assign(connection, consumer)
            self.leading = True
            for line in self.lines.values():
                await self._compare(connection, line)
            while True:
                messages = await consumer.getmany(timeout_ms=500, max_records=BATCH)
                for partition, batch in messages.items():
                    line = partitions[partition]
                    line.heard = asyncio.get_running_loop().time()
                    await self._guarded(line, self._take_messages(connection, line, batch))
                await self._compare_idle(connection)
        finally:
            await consumer.stop()

    async def _assign(self, connection: Connection, consumer: AIOKafkaConsumer) -> dict[TopicPartition, Line]:
        """Every partition of every source, from where its line's cursor was last."""
        rows = await connection.fetch("SELECT source, shard, position, chain_hash, kafka_offset FROM inbox_cursors")
        cursors = {(row["source"], row["shard"]): (row["position"], row["chain_hash"], row["kafka_offset"]) for row in rows}
        parked = await connection.fetch("SELECT DISTINCT source, shard, stream FROM parked")
        partitions: dict[TopicPartition, Line] = {}
        for source, subscription in self.subscriptions.items():
            topic = topic_of(source)
            numbers = await _partitions(consumer, topic)
            for shard in numbers:
                line = Line(subscription, shard, *cursors.get((source, shard), (0, GENESIS, -1)))
                line.parked_streams = {row["stream"] for row in parked if (row["source"], row["shard"]) == (source, shard)}
                self.lines[source, shard] = partitions[TopicPartition(topic, shard)] = line
        consumer.assign(list(partitions))
        ends = await consumer.end_offsets(list(partitions))
        for partition, line in partitions.items():
            # Kafka may have lost its tail: an offset beyond the end is no place to wait at.
            if line.kafka_offset < 0 or line.kafka_offset + 1 > ends[partition]:
                await consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, line.kafka_offset + 1)
        return partitions

    async def _guarded(self, line: Line, work: Awaitable[None]) -> None:
        """Stops the line, and only it, where it cannot go on."""
        try:
            await work
        except Stopped as error:
            line.stopped = f"{type(error).__name__.lower()}: {error}"
            metrics.inbox_stopped.labels(self.service, line.source, line.shard).set(1)
            log.error("line_stopped", line=line.name, position=line.position, reason=line.stopped)

    async def _take_messages(self, connection: Connection, line: Line, messages: Sequence[Any]) -> None:
        ready: list[Headed] = []
        for message in messages:
            line.kafka_offset = max(line.kafka_offset, message.offset)
            try:
                headed = from_message(message.headers, message.value)
            except NotAnEvent as error:
                await self._set_aside(connection, line, message, str(error))
                continue
            ready.append(headed)
        if line.stopped is None:
            await self._take(connection, line, ready)

    async def _take(self, connection: Connection, line: Line, arrived: Sequence[Headed]) -> None:
        """Takes what follows the cursor; fills gaps from the source's feed; tells repeats from forks."""
        ready: list[Headed] = []
        position, chain = line.position, line.chain
        for headed in arrived:
            record = headed.record
            if record.position > position + 1:
                missing = await self._fetch(line, after=position, until=record.position - 1)
                for each in missing:
                    position, chain = _follow(line, position, chain, each)
                ready += missing
            if record.position <= position:
                if record.position > line.position:
                    same: bytes | None = next(each.record.chain_hash for each in ready if each.record.position == record.position)
                else:
                    same = line.remembered.get(record.position)
                if same is None:
                    await self._compare(connection, line)
                elif same != record.chain_hash:
                    raise Fork(f"{line.name}/{record.position} has another hash than the one taken before")
                continue
            position, chain = _follow(line, position, chain, headed)
            ready.append(headed)
        for start in range(0, len(ready), BATCH):
            await self._settle(connection, line, ready[start : start + BATCH])

    async def _settle(self, connection: Connection, line: Line, ready: Sequence[Headed]) -> None:
        """Commands first, then the tables that this source feeds, and the cursor."""
        taken: list[Headed] = []
        parked: list[Headed] = []
        facts: list[Fact] = []
        stop: Stopped | None = None
        for headed in ready:
            if headed.record.stream in line.parked_streams:
                parked.append(headed)
            else:
                try:
                    facts.append(await self._react(line.subscription, headed.record))
                except Stopped as error:
                    stop, line.stopped_at = error, headed
                    break
            taken.append(headed)
        if taken:
            await self._save(connection, line, taken, facts, parked)
        if stop is not None:
            raise stop

    async def _react(self, subscription: Subscription, record: Record) -> Fact:
        """Settles the commands that follow from one event, in order, before the next event is looked at."""
        fact = self.decode(subscription, record)
        for index, reaction in enumerate(await self.reactions(subscription, fact)):
            try:
                answer = await self._submit(fact, index, reaction)
            except CommandFailed as error:
                raise Stopped(f"{type(reaction.command).__name__} on {reaction.stream} failed: {error}") from error
            if isinstance(answer, Refused):
                raise Stopped(f"{type(reaction.command).__name__} on {reaction.stream} was refused: {answer.code}")
        return fact

    def decode(self, subscription: Subscription, record: Record) -> Fact:
        """The event of a subscribed type; of another type, none. Raises `Stopped` for a version that this build does not know."""
        types = subscription.types
        if types is not None and record.type not in types:
            if without_version(record.type) in {without_version(name) for name in types}:
                raise Stopped(f"{record.type} is a version that this build does not know")
            return Fact(subscription.source, record, None)
        if types is None and not subscription.codec.knows(record.type):
            return Fact(subscription.source, record, None)
        try:
            return Fact(subscription.source, record, subscription.codec.decode(record.type, record.data))
        except msgspec.ValidationError as error:
            raise Stopped(f"{subscription.source}/{record.shard}/{record.position} is no {record.type}: {error}") from error

    async def reactions(self, subscription: Subscription, fact: Fact) -> Sequence[Reaction]:
        if fact.event is None or subscription.react is None:
            return ()
        names = subscription.needs(fact) if subscription.needs is not None else ()
        documents = {name: await self.sources.document(subscription.source, name) for name in names}
        try:
            return subscription.react(fact, documents)
        except Exception as error:  # per line, as designed: a bug here must not be passed over
            log.exception("reaction_failed", place=fact.place)
            raise Stopped(f"reacting to {fact.place} failed: {error!r}") from error

    async def _submit(self, fact: Fact, index: int, reaction: Reaction) -> Any:
        """Submits until the writer has room; the id derives from the event, so a repeat does nothing."""
        context = Context(
            command_id=sha256(f"reaction/{fact.place}/{index}".encode()).digest(),
            actor=f"service:{self.service}",
            correlation_id=fact.record.correlation_id,
            causation_id=fact.place,
            effective_on=reaction.effective_on or fact.record.effective_on,
            documents=reaction.documents,
        )
        while True:
            try:
                return await self.writer.submit(reaction.stream, reaction.command, context)
            except Overloaded:
                await asyncio.sleep(0.05)

    async def _save(
        self, connection: Connection, line: Line, taken: Sequence[Headed], facts: Sequence[Fact], parked: Sequence[Headed]
    ) -> None:
        last = taken[-1].record
        async with connection.transaction():
            if line.subscription.take is not None and facts:
                await line.subscription.take(connection, facts)
            if parked:
                await self._park(connection, line, parked, "an earlier message of its stream is parked")
            saved = await connection.execute(
                """INSERT INTO inbox_cursors AS cursor VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (source, shard) DO UPDATE SET position = $3, chain_hash = $4, kafka_offset = $5
                   WHERE cursor.position = $6""",
                line.source,
                line.shard,
                last.position,
                last.chain_hash,
                line.kafka_offset,
                line.position,
            )
            if saved != "INSERT 0 1":
                raise LostCursor(f"{line.name} is no longer at {line.position}")
        for headed in taken:
            line.moved(headed.record.position, headed.record.chain_hash)
        metrics.inbox_position.labels(self.service, line.source, line.shard).set(line.position)
        async with self.moved:
            self.moved.notify_all()

    async def _compare_idle(self, connection: Connection) -> None:
        """Kafka may have lost its tail, so silence is checked against the source itself."""
        now = asyncio.get_running_loop().time()
        for line in self.lines.values():
            if line.stopped is None and now - line.heard >= IDLE_SECONDS:
                line.heard = now
                await self._compare(connection, line)

    async def _compare(self, connection: Connection, line: Line) -> None:
        """Takes what the source has beyond the cursor; a source that has less, or other hashes, has forked."""

        async def compare() -> None:
            try:
                head, previous = await self.sources.head(line.source, line.shard, at=line.position)
            except UNANSWERED as error:
                log.info("source_unreachable", line=line.name, error=repr(error))
                return
            if head < line.position:
                raise Fork(f"{line.name} ends at {head}, and {line.position} was taken from it before")
            if previous != line.chain:
                raise Fork(f"{line.name}/{line.position} has another hash than the one taken before")
            while line.position < head:
                await self._take(connection, line, await self._fetch(line, after=line.position, until=min(head, line.position + BATCH)))

        await self._guarded(line, compare())

    async def _fetch(self, line: Line, *, after: int, until: int) -> list[Headed]:
        found: list[Headed] = []
        while after < until:
            try:
                page = from_feed(await self.sources.feed(line.source, line.shard, after=after, limit=min(BATCH, until - after)))
            except NotAnEvent as error:
                raise Stopped(f"the feed of {line.name} is wrong: {error}") from error
            if not page:
                raise Fork(f"{line.name} ends at {after}, and Kafka has {until} of it")
            found += page
            after = page[-1].record.position
        return found

    async def _set_aside(self, connection: Connection, line: Line, message: Any, reason: str) -> None:
        log.error("message_set_aside", line=line.name, offset=message.offset, reason=reason)
        metrics.set_aside.labels(self.service, line.source).inc()
        await connection.execute(
            "INSERT INTO set_aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", line.source, line.shard, message.offset, reason[:500]
        )

    async def _park(self, connection: Connection, line: Line, parked: Sequence[Headed], reason: str) -> None:
        await connection.executemany(
            "INSERT INTO parked VALUES ($1, $2, $3, $4, $5, $6)",
            [(line.source, line.shard, each.record.position, each.record.stream, reason, msgspec.msgpack.encode(each)) for each in parked],
        )

    async def park(self, source: str, shard: int, reason: str) -> int:
        """An operator's word to go on without the message that a line stands at. Gives its position.

        Raises `LookupError` where the line does not stand at one, or stands at a fork, or takes all types.
        """
        line = self.lines[source, shard]
        headed = line.stopped_at
        if line.stopped is None or headed is None or line.subscription.types is None:
            raise LookupError(f"{line.name} does not stand at a message that may be parked")
        async with self.pool.acquire() as connection:
            line.parked_streams.add(headed.record.stream)
            line.stopped = line.stopped_at = None
            metrics.inbox_stopped.labels(self.service, source, shard).set(0)
            async with connection.transaction():
                await self._park(connection, line, [headed], reason)
                await self._move_past(connection, line, headed.record)
            line.moved(headed.record.position, headed.record.chain_hash)
        line.heard = 0.0  # compare with the source at once
        return headed.record.position

    async def _move_past(self, connection: Connection, line: Line, record: Record) -> None:
        await connection.execute(
            """INSERT INTO inbox_cursors VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (source, shard) DO UPDATE SET position = $3, chain_hash = $4""",
            line.source,
            line.shard,
            record.position,
            record.chain_hash,
            line.kafka_offset,
        )

    async def unpark(self, source: str, shard: int, stream: str) -> int:
        """Replays the parked messages of a stream, in order, and gives how many. One that fails again stays, with those after it."""
        line = self.lines[source, shard]
        subscription = line.subscription
        replayed = 0
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT position, record FROM parked WHERE source = $1 AND shard = $2 AND stream = $3 ORDER BY position",
                source,
                shard,
                stream,
            )
            for row in rows:
                fact = await self._react(subscription, msgspec.msgpack.decode(row["record"], type=Headed).record)
                async with connection.transaction():
                    if subscription.take is not None:
                        await subscription.take(connection, [fact])
                    await connection.execute(
                        "DELETE FROM parked WHERE source = $1 AND shard = $2 AND position = $3", source, shard, row["position"]
                    )
                replayed += 1
        line.parked_streams.discard(stream)
        return replayed


def _follow(line: Line, position: int, chain: bytes, headed: Headed) -> tuple[int, bytes]:
    if headed.record.position != position + 1:
        raise Stopped(f"{line.name}: {headed.record.position} came after {position}")
    if headed.previous != chain:
        raise Fork(f"{line.name}/{headed.record.position} does not follow the event taken before it")
    return headed.record.position, headed.record.chain_hash


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    """A topic's partitions; waits for a topic that is about to be made."""
    while True:
        found = consumer.partitions_for_topic(topic)
        if not found:
            await consumer._client.force_metadata_update()
            await consumer.topics()
            found = consumer.partitions_for_topic(topic)
        if found:
            return sorted(found)
        await asyncio.sleep(0.2)
