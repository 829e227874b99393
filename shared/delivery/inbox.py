"""Inbox: takes other services' events, in order, each once.

A *line* is one shard of one source. Its cursor is the position and chain hash of the last event taken. The next position with the
right previous hash is taken; an old one with the same hash is a repeat; a later one shows a gap, which the source's journal feed
fills; a hash that differs is a fork (the source was restored to the past), and the line stops. Commands are settled first, under ids
that derive from the event, so a repeat does nothing; then foreign-fed read tables and the cursor are saved in one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
import structlog

from shared.delivery.broker import Broker, BrokerUnreachable, Consumer, Message, Partition
from shared.delivery.lines import Fork, Line, Stopped, differs
from shared.delivery.pace import Pace
from shared.delivery.sources import Sources, Unanswered, WrongDocument
from shared.journal.codec import Codec, without_version
from shared.journal.connection import Project
from shared.journal.decider import Refused
from shared.journal.messages import Headed, NotAnEvent, from_feed, from_message, topic_of
from shared.journal.protocol import Cursor, Document, InboxLead, Journal, LostLead, Unreachable
from shared.journal.record import Fact, Record
from shared.observe import metrics
from shared.observe.telemetry import following
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable
from shared.writer.writer import Writer

log = structlog.get_logger()

BATCH = 500
IDLE_SECONDS = 5.0  # a line without news compares itself with its source's head this often
RETRY_SECONDS = 1.0  # and this often while its source does not answer
RESTART_SECONDS = 0.5
POLL_EVERY_SECONDS = 0.005  # under load, what so long a time brings is taken as one


class Reaction(msgspec.Struct, frozen=True):
    """A command that follows from another service's event. Its `decide` is total: it never refuses."""

    stream: str
    command: Any
    effective_on: str | None = None  # None: the event's own day
    documents: tuple[Document, ...] = ()


type React = Callable[[Fact, Mapping[str, bytes]], Sequence[Reaction]]
type Needs = Callable[[Fact], Sequence[str]]
type First = Callable[[InboxLead], Awaitable[None]]


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a service takes of one source. `types` None: all of them, events that it has never heard of too, and nothing is ever parked."""

    source: str
    codec: Codec
    types: frozenset[str] | None
    react: React | None = None
    needs: Needs | None = None
    take: Project | None = None  # feeds read tables, in the cursor's transaction

    def decode(self, record: Record) -> Fact:
        """With the event of a subscribed type; with None of another. Raises `Stopped` for a version of one that this build does not know:
        it waits for the next build, rather than be taken for nothing."""
        unread = Fact(self.source, record, None)
        taken = self.codec.classes.keys() if self.types is None else self.types
        if record.type not in taken and not (self.types is None and self.codec.upcasts(record.type)):
            if without_version(record.type) not in _without_versions(frozenset(taken)):
                return unread
            if not self.codec.upcasts(record.type):
                raise Stopped(f"{unread.place} is {record.type}, a version that this build does not know")
        try:
            return Fact(self.source, record, self.codec.decode(record.type, record.data))
        except msgspec.DecodeError as error:
            raise Stopped(f"{unread.place} is no {record.type}: {error}") from error

    async def with_documents(self, fact: Fact, sources: Sources) -> Fact:
        """With those of the documents that it needs that the source has. Raises `Unanswered`, `WrongDocument`."""
        if self.needs is None or fact.event is None:
            return fact
        found = {name: content for name in self.needs(fact) if (content := await sources.document(self.source, name)) is not None}
        return msgspec.structs.replace(fact, documents=found) if found else fact


@cache
def _without_versions(types: frozenset[str]) -> frozenset[str]:
    return frozenset(without_version(name) for name in types)


class Inbox:
    """All lines of a service, each a task, so that one whose source does not answer holds up no other. One process leads."""

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        writer: Writer,
        sources: Sources,
        subscriptions: Sequence[Subscription],
        first: First | None = None,
    ) -> None:
        """`first`: what has to be done whenever this process begins to lead, before anything is taken."""
        self.service = journal.service
        self.journal = journal
        self.broker = broker
        self.writer = writer
        self.sources = sources
        self.subscriptions = {subscription.source: subscription for subscription in subscriptions}
        self.first = first
        self.waits: str | None = None  # why nothing is taken yet
        self.idle_seconds = IDLE_SECONDS
        self.lines: dict[tuple[str, int], Line] = {}
        self.moved = asyncio.Condition()  # notified when a line of this process has moved
        self._lead: InboxLead | None = None

    async def run(self) -> None:
        if not self.subscriptions:
            return
        while True:
            try:
                async with self.journal.lead("inbox") as lead:
                    if lead is not None:
                        await self._take_all(lead)
            except* (LostLead, Unavailable, BrokerUnreachable, Unreachable) as errors:
                log.warning("inbox_restarts", errors=[repr(error) for error in errors.exceptions])
            await asyncio.sleep(RESTART_SECONDS)

    @property
    def leading(self) -> bool:
        return self._lead is not None

    @property
    def stopped(self) -> dict[str, str]:
        """The lines that stand still, with why. Of a process that leads no more nothing is said: its lines are another's by now."""
        return {line.name: line.stopped for line in self.lines.values() if self.leading and line.stopped is not None}

    # Leading: what arrives from the broker, and a look at the sources where nothing does

    async def _take_all(self, lead: InboxLead) -> None:
        if self.first is not None:
            await self.first(lead)
        lines = await self._begin(lead)
        offsets = {partition: line.kafka_offset + 1 if line.kafka_offset >= 0 else -1 for partition, line in lines.items()}
        async with self.broker.consumer(offsets) as consumer:
            self._lead = lead
            try:
                async with asyncio.TaskGroup() as tasks:
                    for line in lines.values():
                        tasks.create_task(self._follow(lead, line), name=f"line-{line.name}")
                    tasks.create_task(self._receive(consumer, lines), name="receive")
            finally:
                self._lead = None

    async def _begin(self, lead: InboxLead) -> dict[Partition, Line]:
        """Every shard of every source, from where its line's cursor was last."""
        shards = {source: await self.broker.partitions(topic_of(source)) for source in self.subscriptions}
        cursors = await lead.cursors()
        lines: dict[Partition, Line] = {}
        for source, shard in [(source, shard) for source, numbers in shards.items() for shard in numbers]:
            line = lines[topic_of(source), shard] = self.lines.setdefault((source, shard), Line(source, shard))
            async with line.busy:
                line.begin(*cursors.get((source, shard), (Cursor(), frozenset())))
        return lines

    async def _receive(self, consumer: Consumer, lines: Mapping[Partition, Line]) -> None:
        pace = Pace(POLL_EVERY_SECONDS)
        while True:
            await pace.turn()
            found = await consumer.poll([partition for partition, line in lines.items() if not line.arrived.full()])
            for partition, messages in found.items():
                lines[partition].arrived.put_nowait(messages)

    async def _follow(self, lead: InboxLead, line: Line) -> None:
        """Takes what arrives; compares with the source where nothing does. A line that stands still only looks whether its source is the
        one again that was taken, if another history is what stopped it."""
        while True:
            messages: Sequence[Message] = ()
            try:
                async with asyncio.timeout_at(line.compare_at if line.stopped is None or line.forked else None):
                    messages = await line.arrived.get()
            except TimeoutError:
                await self._guarded(line, lambda: self._compare(lead, line))
                continue
            if messages and line.stopped is None:
                await self._guarded(line, lambda: self._take_messages(lead, line, messages))  # noqa: B023 - awaited at once

    async def _guarded(self, line: Line, work: Callable[[], Awaitable[None]]) -> None:
        """Stops the line, and only it, where it cannot go on; lets it wait where its source does not answer."""
        now = asyncio.get_running_loop().time
        async with line.busy:
            if line.retried is not None:  # since it was looked at
                return
            try:
                await work()
            except Unanswered as error:
                log.info("source_does_not_answer", line=line.name, error=str(error))
                line.compare_at = now() + min(RETRY_SECONDS, self.idle_seconds)
                return
            except Stopped as error:
                line.stop(error)
                log.error("line_stopped", line=line.name, position=line.position, reason=line.stopped)
            else:
                line.heard()
            line.compare_at = now() + self.idle_seconds

    async def _compare(self, lead: InboxLead, line: Line) -> None:
        """Takes what the source has beyond the cursor; a source that has less, or other hashes, has forked.

        Kafka may have lost its tail, so silence is checked against the source itself.
        """
        head, chain = await self.sources.head(line.source, line.shard, at=line.position)
        if head < line.position:
            if (taken := line.remembered(head)) is not None:
                _, chain = await self.sources.head(line.source, line.shard, at=head)
                if chain is not None and chain != taken:  # it was restored to the past, and written on
                    raise Fork(differs(f"{line.name}/{head}", chain, taken))
            raise Fork(f"{line.name} ends at {head}, and {line.position} was taken from it before")
        if chain != line.chain:
            assert chain is not None, "the source goes that far"
            raise Fork(differs(f"{line.name}/{line.position}", chain, line.chain))
        if line.forked:
            log.info("line_goes_on", line=line.name, position=line.position)
            line.go_on()
        await self._fill(lead, line, until=head)

    async def _take_messages(self, lead: InboxLead, line: Line, messages: Sequence[Message]) -> None:
        arrived: list[Headed] = []
        for message in messages:
            try:
                headed = from_message(message.headers, message.value, source=line.source, shard=line.shard)
                if self.journal.histories.lost(place := headed.record.place(line.source)):  # of before a restore of everything
                    log.warning("lost_event_passed_over", line=line.name, place=str(place))
                else:
                    arrived.append(headed)
            except NotAnEvent as error:
                log.error("message_set_aside", line=line.name, offset=message.offset, reason=str(error))
                metrics.set_aside.labels(self.service, line.source).inc()
                await lead.set_aside(line.source, line.shard, message.offset, str(error))
        line.kafka_offset = messages[-1].offset
        await self._take(lead, line, arrived)

    async def _take(self, lead: InboxLead, line: Line, arrived: Sequence[Headed]) -> None:
        """Takes what follows the cursor, passes over repeats, and fills a gap from the source's feed before it goes on."""
        ready: list[Headed] = []
        for headed in arrived:
            reached = ready[-1].record.position if ready else line.position
            if headed.record.position > reached + 1:
                await self._settle(lead, line, ready)
                ready = []
                await self._fill(lead, line, until=headed.record.position - 1)
            if line.follow(headed, ready[-1] if ready else None):
                ready.append(headed)
        await self._settle(lead, line, ready)

    async def _fill(self, lead: InboxLead, line: Line, *, until: int) -> None:
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
            await self._settle(lead, line, ready)

    # Settling: commands first, then the tables that the source feeds, and the cursor

    async def _settle(self, lead: InboxLead, line: Line, ready: Sequence[Headed]) -> None:
        """What follows from one event is settled in order, and so is what goes to one stream. What goes to others is settled beside it: a
        round has thousands of awards, each with a stream of its own."""
        taken: list[tuple[Headed, Fact | None]] = []  # None: its stream is parked
        beside: list[tuple[Headed, Fact | None, Sequence[Reaction]]] = []
        streams: set[str] = set()
        stop: Stopped | None = None
        unread: tuple[Stopped, Headed] | None = None  # the event of which it cannot be said what follows
        for headed in ready:
            fact: Fact | None = None
            reactions: Sequence[Reaction] = ()
            if headed.record.stream not in line.parked_streams:
                try:
                    fact, reactions = await self._reactions(self.subscriptions[line.source].decode(headed.record))
                except Stopped as error:
                    unread = error, headed
                    break
            own = {reaction.stream for reaction in reactions}
            if streams & own:
                if (stop := await self._submit_beside(line, beside, taken)) is not None:
                    break
                beside, streams = [], set()
            beside.append((headed, fact, reactions))
            streams |= own
        if stop is None:
            stop = await self._submit_beside(line, beside, taken)
        if stop is None and unread is not None:
            stop, line.stopped_at = unread
        await self._save(lead, line, taken)
        if stop is not None:
            raise stop

    async def _submit_beside(
        self, line: Line, beside: Sequence[tuple[Headed, Fact | None, Sequence[Reaction]]], taken: list[tuple[Headed, Fact | None]]
    ) -> Stopped | None:
        """Adds the events to `taken`, up to the first whose commands cannot be settled. Those after it come again, and do nothing then."""
        submitting = [self._submit_all(fact, reactions) for _, fact, reactions in beside if fact is not None and reactions]
        answers = await asyncio.gather(*submitting, return_exceptions=True) if submitting else []
        settled = iter(answers)
        for headed, fact, reactions in beside:
            answer = next(settled) if fact is not None and reactions else None
            if isinstance(answer, Stopped):
                line.stopped_at = headed
                return answer
            if answer is not None:
                raise answer
            taken.append((headed, fact))
        return None

    async def _react(self, source: str, record: Record) -> Fact:
        fact, reactions = await self._reactions(self.subscriptions[source].decode(record))
        await self._submit_all(fact, reactions)
        return fact

    async def _submit_all(self, fact: Fact, reactions: Sequence[Reaction]) -> None:
        """Settles the commands that follow from one event, in order. Raises `Stopped`."""
        for index, reaction in enumerate(reactions):
            command = type(reaction.command).__name__
            try:
                with following(fact, command):
                    answer = await self._submit(fact, index, reaction)
            except CommandFailed as error:
                raise Stopped(f"{fact.place}: {command} on {reaction.stream} failed: {error}") from error
            if isinstance(answer, Refused):
                raise Stopped(f"{fact.place}: {command} on {reaction.stream} was refused: {answer.code}")

    async def _reactions(self, fact: Fact) -> tuple[Fact, Sequence[Reaction]]:
        """The fact with the documents that it needs, and what follows from it."""
        if fact.event is None:
            return fact, ()
        subscription = self.subscriptions[fact.source]
        try:
            fact = await subscription.with_documents(fact, self.sources)
            return fact, () if subscription.react is None else subscription.react(fact, fact.documents)
        except WrongDocument as error:
            raise Stopped(str(error)) from error
        except (Unanswered, Stopped):
            raise
        except Exception as error:  # per line, as designed: a bug here must not be passed over
            if isinstance(error, KeyError) and subscription.needs is not None and {*error.args} & {*subscription.needs(fact)}:
                raise Unanswered(f"{fact.source} lacks the document {error} of {fact.place}, until it is recovered") from error
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

    async def _save(self, lead: InboxLead, line: Line, taken: Sequence[tuple[Headed, Fact | None]]) -> None:
        """Saves all in one transaction; where that fails, one event at a time, to find which it is: the line stops at it."""
        if not taken:
            return
        last = taken[-1][0]
        every = self.subscriptions[line.source].types is None
        facts = [fact for _, fact in taken if fact is not None and (every or fact.event is not None)]
        parked = [headed for headed, fact in taken if fact is None]
        try:
            await lead.move(
                line.source,
                line.shard,
                since=line.position,
                to=line.after(last),
                facts=facts,
                parked={"an earlier message of its stream is parked": parked} if parked else {},
            )
        except (LostLead, Unreachable):
            raise
        except Exception as error:  # per line, as designed: a bug in `take`, or data that PostgreSQL refuses
            if len(taken) == 1:
                line.stopped_at = last
                raise Stopped(f"{line.name}/{last.record.position} could not be saved: {error!r}") from error
            for each in taken:
                await self._save(lead, line, [each])
            return
        for headed, _ in taken:
            line.moved(headed)
        line.heard()  # a line that fills a long gap is not silent
        async with self.moved:
            self.moved.notify_all()

    # Parking: a person's word

    def stands_at(self, source: str, shard: int) -> Record:
        """The event that a line cannot take, and that may be parked. Raises `LookupError` where it does not stand at one, or takes all
        types; `LostLead` where another process leads."""
        self._leads()
        line = self.lines[source, shard]
        headed = line.stopped_at
        if line.stopped is None or headed is None or self.subscriptions[source].types is None:
            raise LookupError(f"{line.name} does not stand at an event that may be parked")
        return headed.record

    async def park(self, source: str, shard: int, place: str, reason: str) -> None:
        """Goes on without the event at this place, if the line still stands at it; later ones of its stream are parked too. Raises
        `LostLead` where another process leads."""
        line, lead = self.lines[source, shard], self._leads()
        async with line.busy:
            headed = line.stopped_at
            if headed is None or str(headed.record.place(source)) != place:
                return
            await lead.move(source, shard, since=line.position, to=line.after(headed), parked={reason: [headed]})
            line.moved(headed)
            line.parked_streams.add(headed.record.stream)
            line.go_on()
        line.look()  # what the broker brought meanwhile was not taken

    async def unpark(self, source: str, shard: int, stream: str) -> int:
        """Takes the parked events of a stream, in order, and gives how many. Raises `LostLead` where another process leads, and `Stopped`
        at one that fails again: it stays, with those after it."""
        line, lead = self.lines[source, shard], self._leads()
        async with line.busy:
            return await self._unpark(lead, line, stream)

    async def try_again(self, source: str, shard: int, stream: str) -> int | None:
        """The same, of what may be parked no longer: at one that fails again the line stands still. None: it does, for that or another."""
        line, lead = self.lines[source, shard], self._leads()
        async with line.busy:
            try:
                return await self._unpark(lead, line, stream)
            except Stopped as error:
                if line.stopped is None:
                    line.stop(Stopped(f"{stream} is parked no longer: {error}"))
                    line.retried = stream
                    log.error("line_stopped", line=line.name, position=line.position, reason=line.stopped)
                return None

    async def let_go(self, source: str, shard: int, stream: str) -> None:
        """Goes on, if the line stands still for this parked stream alone."""
        line = self.lines[source, shard]
        async with line.busy:
            if line.retried == stream:
                line.go_on()
                line.look()

    async def _unpark(self, lead: InboxLead, line: Line, stream: str) -> int:
        parked = await lead.parked(line.source, line.shard, stream)
        for headed in parked:
            await lead.unpark(await self._react(line.source, headed.record))
        line.parked_streams.discard(stream)
        if line.retried == stream:
            line.go_on()
            line.look()
        return len(parked)

    def _leads(self) -> InboxLead:
        if self._lead is None:
            raise LostLead("another process of this service takes what arrives: ask that one")
        return self._lead
