"""Writer: takes commands, decides them under the shard's lock, and commits many at once.

A task per shard takes what waits, up to `batch_limit` commands, and settles all of it in one transaction: lock the head, catch up
what other processes wrote, look up the outcomes of commands seen before, decide in memory, insert events, outcomes, timers and
read-table rows, commit. Only then are states published and callers answered. A commit in doubt (the connection broke) is settled by
doing the batch again: what had been committed is found among the outcomes.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec
import structlog

from shared import metrics
from shared.clock import Clock, written
from shared.codec import EventTooLarge, UnknownType
from shared.decider import CancelTimer, Decider, Refused, Timer
from shared.journal import Append, Changes, CommandDecidedElsewhere, Document, Head, Journal, Outcome, TimerRow, Unreachable
from shared.record import Fact, canonical, chain_hash, chained, new_salts
from shared.snapshots import EVERY, Snapshots

log = structlog.get_logger()

DATABASE_PATIENCE_SECONDS = 10.0  # how long a batch is tried again while PostgreSQL does not answer
SALTS_AT_ONCE = 256
CAREFUL_SECONDS = 1.0  # where somebody else was faster, a shard's head is locked and looked at first for so long
STATES_KEPT = 10_000  # streams a shard holds in memory
UNKNOWN_INPUT = b"?"  # the fingerprint in an outcome that was recovered: events do not say what the caller had sent
PLACES_KEPT = 1_000_000  # streams whose shard is remembered


class Refusal(StrEnum):
    """Why a process takes no writes."""

    WAITING_FOR_LEDGER = "waiting_for_ledger"
    BEHIND_LEDGER = "behind_ledger"  # the ledger, or Kafka, has more, or otherwise: the journal was restored to the past
    NOT_THIS_JOURNAL = "not_this_journal"  # a newer build has taken over, or it was restored under our feet
    LOG_FORKED = "log_forked"  # the ledger's tiles hold another log


class Overloaded(Exception):
    """The queue of the shard is full: nothing was done; try again later."""


class Unavailable(Exception):
    """PostgreSQL does not answer, or this service may not write now. The same command id may be tried again: it counts once."""


class CommandFailed(Exception):
    """A bug, or data that PostgreSQL refuses, in this one command: it changed nothing, and others are not touched."""


class CommandTooLarge(CommandFailed):
    """What the command says does not fit into an event: it changed nothing."""


class FingerprintMismatch(Exception):
    """The command id was used before with another input."""


class VersionMismatch(Exception):
    """The stream is not at the version that the command expects (If-Match)."""

    def __init__(self, actual: int) -> None:
        super().__init__(f"the stream is at version {actual}")
        self.actual = actual


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a command carries besides itself."""

    command_id: bytes  # 32 bytes; the same id is decided once
    actor: str  # an opaque subject id, or "service:allocation"
    correlation_id: str  # 32 hex digits
    causation_id: str  # the id of the request, or the place of the event, that it comes from
    effective_on: str  # the day it counts for
    fingerprint: bytes = b""  # SHA-256 of the caller's input
    expected_version: int | None = None
    documents: tuple[Document, ...] = ()


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A command's answer. The same command id gets the same facts again."""

    stream: str
    version: int  # of the stream, after the command
    shard: int
    position: int  # of its last event, or of the shard's last one where it has none
    facts: tuple[Fact, ...]


class _Pending(msgspec.Struct, eq=False):
    stream: str
    command: Any
    context: Context
    answer: asyncio.Future[Accepted | Refused[Any]]
    since: float  # the loop's time


class _State(msgspec.Struct, frozen=True, gc=False):
    version: int
    value: Any


class Writer:
    """The one way to append to a service's journal."""

    def __init__(
        self,
        journal: Journal,
        deciders: Sequence[Decider],
        clock: Clock,
        *,
        epoch: int = 1,
        queue_limit: int = 4096,
        batch_limit: int = 256,
        salts: Callable[[int], list[bytes]] = new_salts,
        snapshots: Snapshots | None = None,
        snapshot_every: int = EVERY,
    ) -> None:
        """`snapshots` None: states are always replayed from their first events. `snapshot_every`: events of a stream."""
        self.journal = journal
        self.deciders = {decider.kind: decider for decider in deciders}
        self.clock = clock
        self.epoch = epoch
        self.queue_limit = queue_limit
        self.batch_limit = batch_limit
        self.salts = salts
        self.snapshots = snapshots
        self.snapshot_every = snapshot_every
        self.refusing_for: Refusal | None = None  # why no write is taken now; None: writes are taken
        self.refusing: str | None = None  # the same in words
        self._shards: dict[int, _Shard] = {}
        self._places: dict[str, int] = {}  # stream -> shard
        self._tasks: list[asyncio.Task[None]] = []
        self._snapshotting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for number, (head, partner_seq) in (await self.journal.heads()).items():
            self._shards[number] = _Shard(self, number, head, dict(partner_seq))
        self._tasks = [asyncio.create_task(shard.run(), name=f"writer-{number}") for number, shard in self._shards.items()]

    async def stop(self) -> None:
        """Ends the tasks; commands that still wait are not decided, and their callers hear `Unavailable`."""
        tasks = [*self._tasks, *([self._snapshotting] if self._snapshotting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for shard in self._shards.values():
            shard.fail_waiting(Unavailable("the service is stopping"))

    def refuse(self, reason: Refusal, words: str) -> None:
        """Takes no more writes until `accept`."""
        self.refusing_for, self.refusing = reason, words

    def accept(self) -> None:
        self.refusing_for = self.refusing = None

    def waiting(self) -> dict[int, tuple[int, float]]:
        """Of each shard: how many commands wait or are being decided, and for how many seconds the oldest has."""
        return {number: shard.waiting() for number, shard in self._shards.items()}

    async def submit(self, stream: str, command: Any, context: Context) -> Accepted | Refused[Any]:
        """Decides `command` once. A `Refused` in its place is the answer, unless the command was decided before.

        Raises `Overloaded`, `Unavailable`, `CommandFailed`, `FingerprintMismatch`, `VersionMismatch`.
        """
        if self.refusing is not None:
            raise Unavailable(self.refusing)
        shard = self._shards[await self._place(stream)]
        if shard.queue.qsize() >= self.queue_limit:
            raise Overloaded(f"{self.queue_limit} commands wait already")
        loop = asyncio.get_running_loop()
        pending = _Pending(stream, command, context, loop.create_future(), loop.time())
        shard.queue.put_nowait(pending)
        return await pending.answer

    async def state(self, stream: str) -> tuple[Any, int]:
        """(state, version) of a stream as of now, for preparing a command; its `decide` looks again under the lock."""
        shard = self._shards[await self._place(stream)]
        try:
            state = await shard.catch_up_stream(stream)
        except UnknownType as error:
            raise _left_to_a_newer_build(stream) from error
        return state.value, state.version

    async def _place(self, stream: str) -> int:
        if (known := self._places.get(stream)) is not None:
            return known
        try:
            stored = await self.journal.shard_of(stream)
        except Unreachable as error:
            raise Unavailable("the database does not answer") from error
        if len(self._places) >= PLACES_KEPT:
            self._places.clear()
        shard = stored if stored is not None else int.from_bytes(sha256(stream.encode()).digest()[:4]) % len(self._shards)
        self._places[stream] = shard
        return shard

    def snapshot(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None:
        """In the background, one at a time: it is no harm if one is missed."""
        if self.snapshots is not None and (self._snapshotting is None or self._snapshotting.done()):
            self._snapshotting = asyncio.create_task(self.snapshots.keep(stream, version, chain_hash, state))
            self._snapshotting.add_done_callback(_told)

    def decider_of(self, stream: str) -> Decider:
        return self.deciders[stream.partition("/")[0]]


class _Batch(msgspec.Struct):
    """What a transaction will write, decided in memory."""

    position: int
    chain: bytes
    recorded_at: datetime
    recorded_at_text: str
    states: dict[str, _State] = msgspec.field(default_factory=dict)
    partner_seq: dict[str, int] = msgspec.field(default_factory=dict)
    facts: list[Fact] = msgspec.field(default_factory=list)
    outcomes: dict[bytes, Outcome] = msgspec.field(default_factory=dict)
    documents: list[Document] = msgspec.field(default_factory=list)
    timers: list[TimerRow | tuple[str, str]] = msgspec.field(default_factory=list)
    answers: list[tuple[_Pending, Accepted | Refused[Any] | Exception]] = msgspec.field(default_factory=list)

    def changes(self) -> Changes | None:
        """None: there is nothing to write."""
        if not self.outcomes:
            return None
        return Changes(
            recorded_at=self.recorded_at,
            facts=self.facts,
            outcomes=list(self.outcomes.values()),
            documents=self.documents,
            timers=self.timers,
        )


class _Ahead(msgspec.Struct, frozen=True):
    """A batch that was decided while the one before it was being committed."""

    pending: list[_Pending]
    follows: bytes  # the chain hash that it was decided on
    batch: _Batch

    def holds(self, pending: list[_Pending], append: Append) -> bool:
        """Whether it is what would be decided now: the head is the one it followed, and none of its commands is known."""
        return self.pending is pending and self.follows == append.head.chain_hash and not append.known


class _Shard:
    """One shard's queue, head and states. Everything here runs in one task, but for `catch_up_stream`."""

    def __init__(self, writer: Writer, number: int, head: Head, partner_seq: dict[str, int]) -> None:
        self.writer = writer
        self.journal = writer.journal
        self.number = number
        self.position = head.position
        self.chain = head.chain_hash
        self.queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self.states: OrderedDict[str, _State] = OrderedDict()
        self.partner_seq = partner_seq
        self._commit_seconds = metrics.commit_seconds.labels(self.journal.service)
        self._batch_commands = metrics.batch_commands.labels(self.journal.service)
        self._events = metrics.events.labels(self.journal.service)
        self._long: set[str] = set()  # streams of which much was replayed: the next commit makes a snapshot
        self._settling: list[_Pending] = []
        self._salts: list[bytes] = []
        self._believed: Head | None = None  # where this process left the shard; None: somebody else may have written since
        self._careful_until = 0.0  # the loop's time
        self._next: list[_Pending] = []  # taken from the queue already
        self._ahead: _Ahead | None = None

    def waiting(self) -> tuple[int, float]:
        oldest = self._settling[0].since if self._settling else None
        seconds = 0.0 if oldest is None else asyncio.get_running_loop().time() - oldest
        return len(self._settling) + len(self._next) + self.queue.qsize(), seconds

    async def run(self) -> None:
        while True:
            self._settling = []
            batch, self._next = self._next or [await self.queue.get()], []
            self._settling = self._filled(batch)
            try:
                await self._settle(batch)
            except asyncio.CancelledError:
                self._fail(batch, Unavailable("the service is stopping"))
                raise
            except Exception as error:  # the writer's last resort: this batch fails, the next one is tried afresh
                log.exception("batch_failed", shard=self.number, commands=len(batch))
                self._fail(batch, CommandFailed(repr(error)))

    def _filled(self, batch: list[_Pending]) -> list[_Pending]:
        while len(batch) < self.writer.batch_limit and not self.queue.empty():
            batch.append(self.queue.get_nowait())
        return batch

    def fail_waiting(self, error: Exception) -> None:
        self._fail(self._next, error)
        while not self.queue.empty():
            self._fail([self.queue.get_nowait()], error)

    def _fail(self, batch: Sequence[_Pending], error: Exception) -> None:
        metrics.commands.labels(self.journal.service, _kind_of(error)).inc(len(batch))
        for pending in batch:
            if not pending.answer.done():
                pending.answer.set_exception(error)

    async def _settle(self, batch: list[_Pending]) -> None:
        """Commits the batch; tries again while the database does not answer, in halves where it refuses the data."""
        deadline = asyncio.get_running_loop().time() + DATABASE_PATIENCE_SECONDS
        pause = 0.05
        while True:
            try:
                return await self._commit(batch)
            except CommandDecidedElsewhere:  # the next look finds its outcome, or the head
                self._careful_until = asyncio.get_running_loop().time() + CAREFUL_SECONDS
            except NotThisJournal as error:
                log.critical("writes_refused", shard=self.number, reason=str(error))
                self.writer.refuse(Refusal.NOT_THIS_JOURNAL, str(error))
                return self._fail(batch, Unavailable(str(error)))
            except Unreachable as error:
                if asyncio.get_running_loop().time() > deadline:
                    return self._fail(batch, Unavailable("the database does not answer"))
                log.warning("commit_in_doubt", shard=self.number, commands=len(batch), error=repr(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            except Exception as error:  # data that PostgreSQL or its driver refuses, or a projection's bug: find whose it is
                if len(batch) == 1 and isinstance(error, UnknownType):
                    log.warning("left_to_a_newer_build", shard=self.number, stream=batch[0].stream, type=str(error))
                    return self._fail(batch, _left_to_a_newer_build(batch[0].stream))
                if len(batch) == 1:
                    log.exception("command_failed", shard=self.number, stream=batch[0].stream, command=type(batch[0].command).__name__)
                    return self._fail(batch, CommandFailed(repr(error)))
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                return await self._settle(batch[middle:])

    async def _commit(self, pending: list[_Pending]) -> None:
        for stream in {each.stream for each in pending} - self.states.keys():
            await self._load(stream)
        with self._commit_seconds.time():
            believed, self._believed = self._believed, None
            async with self.journal.append(self.number, [each.context.command_id for each in pending], believed=believed) as append:
                if append.head.epoch > self.writer.epoch:
                    raise NotThisJournal(f"the journal is at epoch {append.head.epoch}, and this build is of epoch {self.writer.epoch}")
                await self._catch_up(append)
                if taken_over := next((each.stream for each in pending if each.stream not in self.states), None):
                    raise UnknownType(f"of {taken_over}")
                if self._ahead is not None and self._ahead.holds(pending, append):
                    batch = self._ahead.batch
                else:
                    batch = await self._decide_all(append, pending)
                if believed is not None and len(batch.outcomes) < len(pending):
                    raise CommandDecidedElsewhere  # for all that is known: who gets no outcome now may have one already
                if changes := batch.changes():
                    asyncio.get_running_loop().call_soon(self._decide_ahead, batch)
                    await append.save(changes)
        self._publish(batch)
        if asyncio.get_running_loop().time() >= self._careful_until:
            recorded_at = batch.recorded_at if batch.facts else append.head.recorded_at
            self._believed = Head(batch.position, batch.chain, recorded_at, append.head.epoch)

    def _decide_ahead(self, last: _Batch) -> None:
        """While PostgreSQL works on `last`: a full batch that waits is decided as if that were committed already. It is used if it was,
        and nothing else was (`_Ahead.holds`); until then nobody is told, and nothing is kept."""
        if self._next or self.queue.qsize() < self.writer.batch_limit:
            return
        self._next = self._filled([])
        batch = self._after(last.position, last.chain, last.recorded_at)
        batch.partner_seq.update(last.partner_seq)
        for each in self._next:
            if each.context.command_id in batch.outcomes:
                return  # twice in one batch
            if each.stream in last.states:
                batch.states.setdefault(each.stream, last.states[each.stream])
            elif each.stream not in self.states:
                return  # it would have to be loaded
            self._decide(batch, each)
        self._ahead = _Ahead(self._next, last.chain, batch)

    def _after(self, position: int, chain: bytes, recorded_at: datetime | None) -> _Batch:
        """An empty batch that follows this place, and is recorded no earlier."""
        now = self.writer.clock.now().astimezone(UTC)
        recorded_at = max(now, recorded_at or now)
        return _Batch(position, chain, recorded_at, written(recorded_at))

    async def _decide_all(self, append: Append, pending: list[_Pending]) -> _Batch:
        head, known = append.head, append.known
        batch = self._after(head.position, head.chain_hash, head.recorded_at)
        for each in pending:
            if each.answer.cancelled():
                continue  # its caller has gone before anything was decided
            context = each.context
            earlier = known.get(context.command_id) or batch.outcomes.get(context.command_id)
            if earlier is None:
                self._decide(batch, each)
            elif earlier.fingerprint not in (context.fingerprint, UNKNOWN_INPUT):
                batch.answers.append((each, FingerprintMismatch()))
            else:
                batch.answers.append((each, await self._again(append, batch, earlier)))
        return batch

    def _decide(self, batch: _Batch, pending: _Pending) -> None:
        stream, command, context = pending.stream, pending.command, pending.context
        state = batch.states.get(stream) or self.states[stream]
        if context.expected_version not in (None, state.version):
            batch.answers.append((pending, VersionMismatch(state.version)))
            return
        decider = self.writer.decider_of(stream)
        try:
            decided = command if isinstance(command, Refused) else decider.decide(command, state.value)
            if isinstance(decided, Refused):
                batch.outcomes[context.command_id] = Outcome(
                    shard=self.number,
                    command_id=context.command_id,
                    fingerprint=context.fingerprint,
                    first_position=None,
                    events=0,
                    stream=stream,
                    version=state.version,
                    refused=msgspec.json.encode(decided).decode(),
                )
                batch.answers.append((pending, decided))
                return
            value = state.value
            timers: list[TimerRow | tuple[str, str]] = []
            encoded = []
            for version, event in enumerate(decided, start=state.version + 1):
                value = decider.evolve(value, event)
                encoded.append(self.journal.codec.encode(event))
                timers += [timer_row(stream, version, change) for change in decider.timers(event)]
        except EventTooLarge as error:
            batch.answers.append((pending, CommandTooLarge(str(error))))
            return
        except Exception as error:  # a bug in this command's rule: its caller alone hears of it
            log.exception("command_failed", shard=self.number, stream=stream, command=type(command).__name__)
            batch.answers.append((pending, CommandFailed(repr(error))))
            return
        facts = self._record(batch, pending, decided, encoded, state.version)
        version = state.version + len(facts)
        batch.states[stream] = _State(version, value)
        batch.timers += timers
        batch.documents += context.documents
        batch.outcomes[context.command_id] = Outcome(
            shard=self.number,
            command_id=context.command_id,
            fingerprint=context.fingerprint,
            first_position=facts[0].record.position if facts else None,
            events=len(facts),
            stream=stream,
            version=version,
            refused=None,
        )
        batch.answers.append((pending, Accepted(stream, version, self.number, batch.position, tuple(facts))))

    def _record(self, batch: _Batch, pending: _Pending, events: Sequence[Any], encoded: list[bytes], version: int) -> list[Fact]:
        context, recorded_at = pending.context, batch.recorded_at_text
        facts = []
        for event, data in zip(events, encoded, strict=True):
            version += 1
            batch.position += 1
            partner = getattr(event, "partner", None)
            if partner is not None:
                batch.partner_seq[partner] = batch.partner_seq.get(partner, self.partner_seq.get(partner, 0)) + 1
            record = chained(
                batch.chain,
                salt=self._salt(),
                shard=self.number,
                position=batch.position,
                stream=pending.stream,
                version=version,
                type=event.__struct_config__.tag,
                data=msgspec.Raw(data),
                partner=partner,
                partner_seq=None if partner is None else batch.partner_seq[partner],
                effective_on=context.effective_on,
                recorded_at=recorded_at,
                command_id=context.command_id.hex(),
                actor=context.actor,
                correlation_id=context.correlation_id,
                causation_id=context.causation_id,
            )
            batch.chain = record.chain_hash
            facts.append(Fact(self.journal.service, record, event))
        batch.facts += facts
        return facts

    def _salt(self) -> bytes:
        if not self._salts:
            self._salts = self.writer.salts(SALTS_AT_ONCE)
        return self._salts.pop()

    def _publish(self, batch: _Batch) -> None:
        self.position, self.chain = batch.position, batch.chain
        self.partner_seq.update(batch.partner_seq)
        for stream, state in batch.states.items():
            self._snapshot(batch, stream, state)
            self.states[stream] = state
            self.states.move_to_end(stream)
        while len(self.states) > STATES_KEPT:
            self.states.popitem(last=False)
        for kind, number in Counter(_kind_of(answer) for _, answer in batch.answers).items():
            metrics.commands.labels(self.journal.service, kind).inc(number)
        for pending, answer in batch.answers:
            if pending.answer.done():
                continue
            if isinstance(answer, Exception):
                pending.answer.set_exception(answer)
            else:
                pending.answer.set_result(answer)
        self._batch_commands.observe(len(batch.answers))
        if batch.facts:
            self._events.inc(len(batch.facts))

    async def _again(self, append: Append, batch: _Batch, outcome: Outcome) -> Accepted | Refused[Any]:
        """The answer of a command that was decided before, made from what is stored."""
        if outcome.refused is not None:
            refusal = msgspec.json.decode(outcome.refused)
            return Refused(refusal["code"], refusal["detail"], refusal["field"], refusal["accepted"])
        if outcome.first_position is None:
            return Accepted(outcome.stream, outcome.version, self.number, batch.position, ())
        first, last = outcome.first_position, outcome.first_position + outcome.events - 1
        if outcome.command_id in batch.outcomes:  # sent twice within this batch
            facts = tuple(fact for fact in batch.facts if first <= fact.record.position <= last)
        else:
            records = await append.read(outcome.shard, after=first - 1, limit=outcome.events)
            decode = self.journal.codec.decode
            facts = tuple(Fact(self.journal.service, record, decode(record.type, record.data)) for record in records)
        return Accepted(outcome.stream, outcome.version, outcome.shard, last, facts)

    def _snapshot(self, batch: _Batch, stream: str, state: _State) -> None:
        every = self.writer.snapshot_every
        if stream not in self._long and self.states[stream].version // every == state.version // every:
            return
        last = next((fact.record for fact in reversed(batch.facts) if fact.record.stream == stream), None)
        if last is not None:
            self._long.discard(stream)
            self.writer.snapshot(stream, last.version, last.chain_hash, state.value)

    async def _start(self, stream: str) -> _State:
        """Where a replay begins: at the last snapshot, or at nothing."""
        snapshots = self.writer.snapshots
        found = None if snapshots is None else await snapshots.last(stream)
        return _State(0, self.writer.decider_of(stream).initial) if found is None else _State(*found)

    async def _load(self, stream: str) -> _State:
        """Holds what it gives, unless the shard has moved on meanwhile: what was caught up or published then may be missing in it."""
        position = self.position
        start = await self._start(stream)
        state = await self._replay(stream, start)
        if self.position == position:
            if state.version - start.version >= self.writer.snapshot_every:
                self._long.add(stream)
            current = self.states.get(stream)
            if current is None or current.version < state.version:
                self.states[stream] = state
        return state

    async def _replay(self, stream: str, state: _State) -> _State:
        evolve = self.writer.decider_of(stream).evolve
        async for version, event in self.journal.read_stream(stream, after=state.version):
            state = _State(version, evolve(state.value, event))
        return state

    async def catch_up_stream(self, stream: str) -> _State:
        """A stream's state as of now, for a reader: nothing is published, but what was replayed from the start may be held."""
        if (held := self.states.get(stream)) is not None:
            return await self._replay(stream, held)
        return await self._load(stream)

    async def _catch_up(self, append: Append) -> None:
        """Where another process wrote: bring the states that we hold to the locked head."""
        head = append.head
        restored = NotThisJournal(f"shard {self.number} is not the one that this process knew up to {self.position}: it was restored")
        if head.position < self.position:
            raise restored
        while self.position < head.position:
            for record in await append.read(self.number, after=self.position, limit=5000):
                if chain_hash(self.chain, record.event_hash) != record.chain_hash:
                    raise restored
                held = self.states.get(record.stream)
                if held is not None and not self.journal.codec.knows(record.type):
                    del self.states[record.stream]  # a newer build's: only who asks for this stream is to hear of it
                elif held is not None and record.version > held.version:
                    event = self.journal.codec.decode(record.type, record.data)
                    self.states[record.stream] = _State(record.version, self.writer.decider_of(record.stream).evolve(held.value, event))
                if record.partner is not None and record.partner_seq is not None:
                    self.partner_seq[record.partner] = record.partner_seq
                self.position, self.chain = record.position, record.chain_hash
        if head.chain_hash != self.chain:
            raise restored


def _left_to_a_newer_build(stream: str) -> Unavailable:
    return Unavailable(f"{stream} has events that this build does not know: a newer one goes on with it")


def _told(snapshotting: asyncio.Task[None]) -> None:
    if not snapshotting.cancelled() and (error := snapshotting.exception()) is not None:
        log.warning("snapshot_not_kept", error=repr(error))


class NotThisJournal(Exception):
    """A newer build has taken over the journal, or it was restored under our feet: this process must not write again."""


def timer_row(stream: str, version: int, change: Timer | CancelTimer) -> TimerRow | tuple[str, str]:
    """As the stream's event of that version changes a timer."""
    if isinstance(change, CancelTimer):
        return stream, change.name
    return TimerRow(stream, change.name, change.due, canonical(change.command).decode(), change.at, version)


def _kind_of(answer: Accepted | Refused[Any] | Exception) -> str:
    match answer:
        case Accepted():
            return "accepted"
        case Refused():
            return "refused"
        case _:
            return type(answer).__name__
