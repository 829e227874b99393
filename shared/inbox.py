"""Inbox: takes other services' events, in order, each once.

A *line* is one shard of one source. Its cursor is the position and chain hash of the last event taken. The next position with the
right previous hash is taken; an old one with the same hash is a repeat; a later one shows a gap, which the source's journal feed
fills; a hash that differs is a fork (the source was restored to the past), and the line stops. Commands are settled first, under ids
that derive from the event, so a repeat does nothing; then foreign-fed read tables and the cursor are saved in one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared import metrics
from shared.codec import Codec, without_version
from shared.decider import Refused
from shared.journal import UNREACHABLE, Connection, Document, is_gone
from shared.lines import Fork, Line, LostCursor, Stopped
from shared.messages import Headed, NotAnEvent, from_feed, from_message, to_feed, topic_of
from shared.record import GENESIS, Fact, Record
from shared.sources import UNANSWERED, Sources, WrongDocument
from shared.telemetry import following
from shared.writer import CommandFailed, Context, Overloaded, Unavailable, Writer

log = structlog.get_logger()

BATCH = 500
IDLE_SECONDS = 5.0  # a line without news compares itself with its source's head this often
RETRY_SECONDS = 1.0  # and this often while its source does not answer
ELSEWHERE_SECONDS = 0.1  # how often a reader looks for what another process's inbox has taken

DATABASE_AWAY = (asyncpg.InterfaceError, *UNREACHABLE)


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

    def decode(self, record: Record) -> Fact:
        """With the event of a subscribed type; with None of another. Raises `Stopped` for a version that this build does not know."""
        place = f"{self.source}/{record.shard}/{record.position}"
        if self.types is not None and record.type not in self.types:
            if without_version(record.type) not in {without_version(name) for name in self.types}:
                return Fact(self.source, record, None)
            if not self.codec.upcasts(record.type):
                raise Stopped(f"{place} is {record.type}, a version that this build does not know")
        if self.types is None and not self.codec.knows(record.type):
            return Fact(self.source, record, None)
        try:
            return Fact(self.source, record, self.codec.decode(record.type, record.data))
        except msgspec.DecodeError as error:
            raise Stopped(f"{place} is no {record.type}: {error}") from error


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
        self.idle_seconds = IDLE_SECONDS
        self.lines: dict[tuple[str, int], Line] = {}
        self.leading = False
        self.moved = asyncio.Condition()  # notified when a line of this process has moved
        self._saving = asyncio.Lock()  # lines go on side by side, but save through the one connection that holds the lock

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
                        if not is_gone(connection):
                            await connection.reset()
            except (LostCursor, Unavailable, KafkaError, *DATABASE_AWAY) as error:
                log.warning("inbox_restarts", error=repr(error))
            await asyncio.sleep(0.5)

    @property
    def stopped(self) -> dict[str, str]:
        """The lines that stand still, with why."""
        return {line.name: line.stopped for line in self.lines.values() if line.stopped is not None}

    async def reached(self, source: str, shard: int, position: int) -> None:
        """Waits until `position` has been taken, by whichever process leads."""
        query = "SELECT position >= $3 FROM inbox_cursors WHERE source = $1 AND shard = $2"
        while not await self.pool.fetchval(query, source, shard, position):
            with suppress(TimeoutError):
                async with asyncio.timeout(ELSEWHERE_SECONDS), self.moved:
                    await self.moved.wait()

    # Leading: what arrives from Kafka, and a look at the sources where nothing does

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
            while not is_gone(connection):
                await self._side_by_side([self._compare(connection, line) for line in self._due_to_compare()])
                messages = await consumer.getmany(timeout_ms=int(min(0.5, self.idle_seconds) * 1000), max_records=BATCH)
                await self._side_by_side([self._take_messages(connection, partitions[key], batch) for key, batch in messages.items()])
        finally:
            await consumer.stop()

    async def _side_by_side(self, works: Sequence[Awaitable[None]]) -> None:
        for result in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _assign(self, connection: Connection, consumer: AIOKafkaConsumer) -> dict[TopicPartition, Line]:
        """Every partition of every source, from where its line's cursor was last."""
        shards = {source: await _partitions(self.bootstrap_servers, topic_of(source)) for source in self.subscriptions}
        rows = await connection.fetch("SELECT source, shard, position, chain_hash, kafka_offset FROM inbox_cursors")
        cursors = {(row["source"], row["shard"]): (row["position"], row["chain_hash"], row["kafka_offset"]) for row in rows}
        parked = await connection.fetch("SELECT DISTINCT source, shard, stream FROM parked")
        partitions: dict[TopicPartition, Line] = {}
        for source, shard in [(source, shard) for source, numbers in shards.items() for shard in numbers]:
            line = self.lines.setdefault((source, shard), Line(source, shard))
            async with line.busy:
                streams = {row["stream"] for row in parked if (row["source"], row["shard"]) == (source, shard)}
                line.begin(*cursors.get((source, shard), (0, GENESIS, -1)), streams)
                line.compare_at = 0.0
            metrics.inbox_stopped.labels(self.service, source, shard).set(0)
            partitions[TopicPartition(topic_of(source), shard)] = line
        consumer.assign(list(partitions))
        ends = await consumer.end_offsets(list(partitions))
        for partition, line in partitions.items():
            # Kafka may have lost its tail: an offset beyond the end is no place to wait at.
            if line.kafka_offset < 0 or line.kafka_offset + 1 > ends[partition]:
                await consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, line.kafka_offset + 1)
        return partitions

    async def _guarded(self, line: Line, work: Callable[[], Awaitable[None]]) -> None:
        """Stops the line, and only it, where it cannot go on; lets it wait where its source does not answer."""
        now = asyncio.get_running_loop().time
        async with line.busy:
            if line.stopped is not None:
                return
            try:
                await work()
                line.compare_at = now() + self.idle_seconds
            except UNANSWERED as error:
                log.info("source_does_not_answer", line=line.name, error=repr(error))
                line.compare_at = now() + min(RETRY_SECONDS, self.idle_seconds)
            except Stopped as error:
                line.stop(error)
                metrics.inbox_stopped.labels(self.service, line.source, line.shard).set(1)
                log.error("line_stopped", line=line.name, position=line.position, reason=line.stopped)

    def _due_to_compare(self) -> list[Line]:
        now = asyncio.get_running_loop().time()
        return [line for line in self.lines.values() if line.stopped is None and now >= line.compare_at]

    async def _compare(self, connection: Connection, line: Line) -> None:
        """Takes what the source has beyond the cursor; a source that has less, or other hashes, has forked.

        Kafka may have lost its tail, so silence is checked against the source itself.
        """

        async def compare() -> None:
            head, chain = await self.sources.head(line.source, line.shard, at=line.position)
            if head < line.position:
                raise Fork(f"{line.name} ends at {head}, and {line.position} was taken from it before")
            if chain != line.chain:
                raise Fork(f"{line.name}/{line.position} has another hash than the one taken before")
            await self._fill(connection, line, until=head)

        await self._guarded(line, compare)

    async def _take_messages(self, connection: Connection, line: Line, messages: Sequence[Any]) -> None:
        async def take() -> None:
            arrived: list[Headed] = []
            for message in messages:
                try:
                    arrived.append(from_message(message.headers, message.value, source=line.source, shard=line.shard))
                except NotAnEvent as error:
                    await self._set_aside(line, message, str(error))
            line.kafka_offset = messages[-1].offset
            await self._take(connection, line, arrived)

        await self._guarded(line, take)

    async def _take(self, connection: Connection, line: Line, arrived: Sequence[Headed]) -> None:
        """Takes what follows the cursor, passes over repeats, and fills a gap from the source's feed before it goes on."""
        ready: list[Headed] = []
        for headed in arrived:
            reached = ready[-1].record.position if ready else line.position
            if headed.record.position > reached + 1:
                await self._settle(connection, line, ready)
                ready = []
                await self._fill(connection, line, until=headed.record.position - 1)
            if line.follow(headed, ready[-1] if ready else None):
                ready.append(headed)
        await self._settle(connection, line, ready)

    async def _fill(self, connection: Connection, line: Line, *, until: int) -> None:
        """Takes the events up to a position from the source's feed, a page at a time."""
        while line.position < until:
            limit = min(BATCH, until - line.position)
            content = await self.sources.feed(line.source, line.shard, after=line.position, limit=limit)
            try:
                found = from_feed(content)
            except NotAnEvent as error:
                raise Stopped(f"the feed of {line.name} is wrong: {error}") from error
            if not found:
                raise Fork(f"{line.name} ends at {line.position}, and {until} of it was seen")
            ready: list[Headed] = []
            for headed in found:
                if line.follow(headed, ready[-1] if ready else None):
                    ready.append(headed)
            await self._settle(connection, line, ready)

    # Settling: commands first, then the tables that the source feeds, and the cursor

    async def _settle(self, connection: Connection, line: Line, ready: Sequence[Headed]) -> None:
        taken: list[tuple[Headed, Fact | None]] = []  # None: its stream is parked
        stop: Stopped | None = None
        for headed in ready:
            if headed.record.stream in line.parked_streams:
                taken.append((headed, None))
                continue
            try:
                taken.append((headed, await self._react(line.source, headed.record)))
            except Stopped as error:
                stop, line.stopped_at = error, headed
                break
        await self._save(connection, line, taken)
        if stop is not None:
            raise stop

    async def _react(self, source: str, record: Record) -> Fact:
        """Settles the commands that follow from one event, in order, before the next event is looked at."""
        fact = self.subscriptions[source].decode(record)
        for index, reaction in enumerate(await self._reactions(fact)):
            command = type(reaction.command).__name__
            try:
                with following(fact, command):
                    answer = await self._submit(fact, index, reaction)
            except CommandFailed as error:
                raise Stopped(f"{fact.place}: {command} on {reaction.stream} failed: {error}") from error
            if isinstance(answer, Refused):
                raise Stopped(f"{fact.place}: {command} on {reaction.stream} was refused: {answer.code}")
        return fact

    async def _reactions(self, fact: Fact) -> Sequence[Reaction]:
        subscription = self.subscriptions[fact.source]
        if fact.event is None or subscription.react is None:
            return ()
        try:
            names = subscription.needs(fact) if subscription.needs is not None else ()
            documents = {name: content for name in names if (content := await self._document(fact.source, name)) is not None}
            return subscription.react(fact, documents)
        except UNANSWERED:
            raise
        except Exception as error:  # per line, as designed: a bug here must not be passed over
            log.exception("reaction_failed", place=fact.place)
            raise Stopped(f"reacting to {fact.place} failed: {error!r}") from error

    async def _document(self, source: str, name: str) -> bytes | None:
        """None where the source does not have it."""
        try:
            return await self.sources.document(source, name)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise
        except WrongDocument as error:
            raise Stopped(str(error)) from error

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

    async def _save(self, connection: Connection, line: Line, taken: Sequence[tuple[Headed, Fact | None]]) -> None:
        """Saves all in one transaction; where that fails, one event at a time, to find which it is: the line stops at it."""
        if not taken:
            return
        try:
            async with self._saving, connection.transaction():
                await self._save_all(connection, line, taken)
        except (LostCursor, *DATABASE_AWAY):
            raise
        except Exception as error:  # per line, as designed: a bug in `take`, or data that PostgreSQL refuses
            if len(taken) == 1:
                line.stopped_at = taken[0][0]
                raise Stopped(f"{line.name}/{line.stopped_at.record.position} could not be saved: {error!r}") from error
            for each in taken:
                await self._save(connection, line, [each])
            return
        for headed, _ in taken:
            line.moved(headed)
        metrics.inbox_position.labels(self.service, line.source, line.shard).set(line.position)
        async with self.moved:
            self.moved.notify_all()

    async def _save_all(self, connection: Connection, line: Line, taken: Sequence[tuple[Headed, Fact | None]]) -> None:
        take = self.subscriptions[line.source].take
        facts = [fact for _, fact in taken if fact is not None]
        if take is not None and facts:
            await take(connection, facts)
        if parked := [headed for headed, fact in taken if fact is None]:
            await _park(connection, line, parked, "an earlier message of its stream is parked")
        await _move(connection, line, taken[-1][0])

    async def _set_aside(self, line: Line, message: Any, reason: str) -> None:
        log.error("message_set_aside", line=line.name, offset=message.offset, reason=reason)
        metrics.set_aside.labels(self.service, line.source).inc()
        await self.pool.execute(
            "INSERT INTO set_aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", line.source, line.shard, message.offset, reason[:500]
        )

    # Parking: an operator's word

    async def park(self, source: str, shard: int, reason: str) -> int:
        """Goes on without the event that a line stands at; later ones of its stream are parked too. Gives its position.

        Raises `LookupError` where the line does not stand at an event, or takes all types; `LostCursor` where another process leads.
        """
        line = self.lines[source, shard]
        async with line.busy:
            headed = line.stopped_at
            if line.stopped is None or headed is None or self.subscriptions[source].types is None:
                raise LookupError(f"{line.name} does not stand at an event that may be parked")
            async with self.pool.acquire() as connection, connection.transaction():
                await _park(connection, line, [headed], reason)
                await _move(connection, line, headed)
            line.moved(headed)
            line.parked_streams.add(headed.record.stream)
            line.stopped = line.stopped_at = None
            line.compare_at = 0.0  # what Kafka brought meanwhile was not taken
        metrics.inbox_stopped.labels(self.service, source, shard).set(0)
        return headed.record.position

    async def unpark(self, source: str, shard: int, stream: str) -> int:
        """Takes the parked events of a stream, in order, and gives how many. Raises `Stopped` at one that fails again: it stays, with those
        after it."""
        line = self.lines[source, shard]
        take = self.subscriptions[source].take
        where = "source = $1 AND shard = $2"
        async with line.busy, self.pool.acquire() as connection:
            rows = await connection.fetch(
                f"SELECT position, record FROM parked WHERE {where} AND stream = $3 ORDER BY position",  # noqa: S608
                source,
                shard,
                stream,
            )
            for row in rows:
                fact = await self._react(source, from_feed(row["record"])[0].record)
                async with connection.transaction():
                    gone = await connection.execute(f"DELETE FROM parked WHERE {where} AND position = $3", source, shard, row["position"])  # noqa: S608
                    if gone != "DELETE 1":
                        raise LostCursor(f"{fact.place} was un-parked by another process")
                    if take is not None:
                        await take(connection, [fact])
            line.parked_streams.discard(stream)
        return len(rows)


async def _park(connection: Connection, line: Line, parked: Sequence[Headed], reason: str) -> None:
    await connection.executemany(
        "INSERT INTO parked VALUES ($1, $2, $3, $4, $5, $6)",
        [(line.source, line.shard, each.record.position, each.record.stream, reason, _as_feed(each)) for each in parked],
    )


def _as_feed(headed: Headed) -> bytes:
    return msgspec.json.encode(to_feed([headed.record], headed.previous, limit=2))


async def _move(connection: Connection, line: Line, last: Headed) -> None:
    """The cursor, from where this process left it. Raises `LostCursor` where it is not there."""
    saved = await connection.execute(
        """INSERT INTO inbox_cursors AS cursor VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (source, shard) DO UPDATE SET position = $3, chain_hash = $4, kafka_offset = $5
           WHERE cursor.position = $6""",
        line.source,
        line.shard,
        last.record.position,
        last.record.chain_hash,
        line.kafka_offset,
        line.position,
    )
    if saved != "INSERT 0 1":
        raise LostCursor(f"{line.name} is no longer at {line.position}")


async def _partitions(bootstrap_servers: str, topic: str) -> list[int]:
    """A topic's partitions; waits for a topic that is about to be made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        while True:
            found = (await admin.describe_topics([topic]))[0]["partitions"]
            if found:
                return sorted(partition["partition"] for partition in found)
            await asyncio.sleep(0.2)
    finally:
        await admin.close()
