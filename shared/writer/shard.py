"""Shard: decides what waits for one shard of a journal, under its lock, and commits many commands at once.

Its task takes what waits, of each client in turn, up to `batch_limit` commands, and settles all of it in one transaction: lock the head,
catch up what other processes wrote, look up the outcomes of commands seen before, decide in memory, insert events, outcomes, timers and
read-table rows, commit. Only then are states published and callers answered. A commit in doubt (the connection broke) is settled by
doing the batch again: what had been committed is found among the outcomes.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from shared.clock import Clock
from shared.journal.codec import UnknownType
from shared.journal.decider import Decider, Refused
from shared.journal.protocol import Append, CommandDecidedElsewhere, Head, Journal, OutOfRoom, Unreachable
from shared.journal.record import chain_hash
from shared.journal.snapshots import Snapshots
from shared.observe import metrics
from shared.writer.batch import Ahead, Answer, Batch, Pending, State
from shared.writer.commands import Accepted, AllOrNothing, CommandFailed, Refusal, Unavailable
from shared.writer.turns import Turns

log = structlog.get_logger()

DATABASE_PATIENCE_SECONDS = 10.0  # how long a batch is tried again while PostgreSQL does not answer
SALTS_AT_ONCE = 256
CAREFUL_SECONDS = 1.0  # where somebody else was faster, a shard's head is locked and looked at first for so long
NO_ROOM = "the database's disk is full"
ROOM_TRIED_AFTER_S = 5.0
STATES_KEPT = 10_000  # streams a shard holds in memory


class Owner(Protocol):
    """What a shard asks of the writer that it is a part of."""

    journal: Journal
    clock: Clock
    epoch: int
    queue_limit: int
    batch_limit: int
    salts: Callable[[int], list[bytes]]
    snapshots: Snapshots | None
    snapshot_every: int

    def decider_of(self, stream: str) -> Decider: ...

    def refuse(self, reason: Refusal, words: str, for_s: float | None = None) -> str: ...

    def snapshot(self, stream: str, version: int, chain_hash: bytes, state: Any) -> None: ...


class Shard:
    """One shard's queue, head and states. Everything here runs in one task, but for `catch_up_stream`."""

    def __init__(self, writer: Owner, number: int, head: Head, partner_seq: dict[str, int]) -> None:
        self.writer = writer
        self.journal = writer.journal
        self.number = number
        self.position = head.position
        self.chain = head.chain_hash
        self.turns = Turns(writer.queue_limit)
        self.states: OrderedDict[str, State] = OrderedDict()
        self.partner_seq = partner_seq
        self._commit_seconds = metrics.commit_seconds.labels(self.journal.service)
        self._batch_commands = metrics.batch_commands.labels(self.journal.service)
        self._events = metrics.events.labels(self.journal.service)
        self._long: set[str] = set()  # streams of which much was replayed: the next commit makes a snapshot
        self._settling: list[Pending] = []
        self._salts: list[bytes] = []
        self._believed: Head | None = None  # where this process left the shard; None: somebody else may have written since
        self._careful_until = 0.0  # the loop's time
        self._next: list[Pending] = []  # taken from the queue already
        self._ahead: Ahead | None = None

    def waiting(self) -> tuple[int, float]:
        oldest = self._settling[0].since if self._settling else None
        seconds = 0.0 if oldest is None else asyncio.get_running_loop().time() - oldest
        return len(self._settling) + len(self._next) + self.turns.commands, seconds

    async def run(self) -> None:
        while True:
            self._settling = []
            if not self._next:
                await self.turns.some()
            batch, self._next = self._next or self.turns.taken(self.writer.batch_limit), []
            self._settling = batch
            try:
                await self._settle(batch)
            except asyncio.CancelledError:
                self._fail(batch, Unavailable("the service is stopping"))
                raise
            except Exception as error:  # the writer's last resort: this batch fails, the next one is tried afresh
                log.exception("batch_failed", shard=self.number, commands=len(batch))
                self._fail(batch, CommandFailed(repr(error)))

    def fail_waiting(self, error: Exception) -> None:
        self._fail(self._next, error)
        self._fail(self.turns.taken(self.turns.commands), error)

    def _fail(self, batch: Sequence[Pending], error: Exception) -> None:
        metrics.commands.labels(self.journal.service, _kind_of(error)).inc(len(batch))
        for pending in batch:
            if not pending.answer.done():
                pending.answer.set_exception(error)

    async def _settle(self, batch: list[Pending]) -> None:
        """Commits the batch; tries again while the database does not answer, in halves where it refuses the data."""
        deadline = asyncio.get_running_loop().time() + DATABASE_PATIENCE_SECONDS
        pause = 0.05
        while True:
            try:
                return await self._commit(batch)
            except NotLookedFor:  # nobody was faster: it is looked for once, and the next batch believes again
                pass
            except CommandDecidedElsewhere:  # the next look finds its outcome, or the head
                self._careful_until = asyncio.get_running_loop().time() + CAREFUL_SECONDS
            except NotThisJournal as error:
                return self._fail(batch, Unavailable(self.writer.refuse(Refusal.NOT_THIS_JOURNAL, str(error))))
            except OutOfRoom:
                return self._fail(batch, Unavailable(self.writer.refuse(Refusal.OUT_OF_ROOM, NO_ROOM, ROOM_TRIED_AFTER_S)))
            except Unreachable as error:
                if asyncio.get_running_loop().time() > deadline:
                    return self._fail(batch, Unavailable("the database does not answer"))
                log.warning("commit_in_doubt", shard=self.number, commands=len(batch), error=repr(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
            except Exception as error:  # data that PostgreSQL or its driver refuses, or a projection's bug: find whose it is
                if len(batch) == 1 and isinstance(error, UnknownType):
                    log.warning("left_to_a_newer_build", shard=self.number, stream=batch[0].stream, type=str(error))
                    return self._fail(batch, left_to_a_newer_build(batch[0].stream))
                if len(batch) == 1:
                    log.exception("command_failed", shard=self.number, stream=batch[0].stream, command=type(batch[0].command).__name__)
                    return self._fail(batch, CommandFailed(repr(error)))
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                return await self._settle(batch[middle:])

    async def _commit(self, pending: list[Pending]) -> None:
        for stream in {each.stream for each in pending} - self.states.keys():
            await self._load(stream)
        with self._commit_seconds.time():
            believed, self._believed = self._believed, None
            command_ids = [command_id for each in pending for command_id in each.command_ids]
            async with self.journal.append(self.number, command_ids, believed=believed) as append:
                if append.head.epoch > self.writer.epoch:
                    raise NotThisJournal(f"the journal is at epoch {append.head.epoch}, and this build is of epoch {self.writer.epoch}")
                await self._catch_up(append)
                if taken_over := next((each.stream for each in pending if each.stream not in self.states), None):
                    raise UnknownType(f"of {taken_over}")
                if self._ahead is not None and self._ahead.holds(pending, append):
                    batch = self._ahead.batch
                else:
                    batch = await self._decide_all(append, pending)
                if believed is not None and len(batch.outcomes) < len(command_ids):
                    raise NotLookedFor  # who gets no outcome now may have one already
                if changes := batch.changes():
                    asyncio.get_running_loop().call_soon(self._decide_ahead, batch)
                    await append.save(changes)
        self._publish(batch)
        if asyncio.get_running_loop().time() >= self._careful_until:
            recorded_at = batch.recorded_at if batch.facts else append.head.recorded_at
            self._believed = Head(batch.position, batch.chain, recorded_at, append.head.epoch)

    def _decide_ahead(self, last: Batch) -> None:
        """While PostgreSQL works on `last`: a full batch that waits is decided as if that were committed already. It is used if it was,
        and nothing else was (`Ahead.holds`); until then nobody is told, and nothing is kept."""
        if self._next or self.turns.commands < self.writer.batch_limit:
            return
        self._next = self.turns.taken(self.writer.batch_limit)
        batch = self._after(last.position, last.chain, last.recorded_at)
        batch.partner_seq.update(last.partner_seq)
        for each in self._next:
            if each.context.command_id in batch.outcomes or isinstance(each.command, AllOrNothing):
                return  # twice in one batch, or it may hold one that is
            if each.stream in last.states:
                batch.states.setdefault(each.stream, last.states[each.stream])
            elif each.stream not in self.states:
                return  # it would have to be loaded
            batch.decide(each, self.states)
        self._ahead = Ahead(self._next, last.chain, batch)

    def _after(self, position: int, chain: bytes, recorded_at: datetime | None) -> Batch:
        """An empty batch that follows this place, and is recorded no earlier."""
        now = self.writer.clock.now().astimezone(UTC)
        recorded_at = max(now, recorded_at or now)
        return Batch(
            self.journal,
            self.number,
            self.writer.decider_of,
            self._salt,
            position=position,
            chain=chain,
            recorded_at=recorded_at,
            partner_seq=self.partner_seq,
        )

    async def _decide_all(self, append: Append, pending: list[Pending]) -> Batch:
        head = append.head
        batch = self._after(head.position, head.chain_hash, head.recorded_at)
        await batch.decide_all(pending, self.states, append)
        return batch

    def _salt(self) -> bytes:
        if not self._salts:
            self._salts = self.writer.salts(SALTS_AT_ONCE)
        return self._salts.pop()

    def _publish(self, batch: Batch) -> None:
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

    def _snapshot(self, batch: Batch, stream: str, state: State) -> None:
        every = self.writer.snapshot_every
        if stream not in self._long and self.states[stream].version // every == state.version // every:
            return
        last = next((fact.record for fact in reversed(batch.facts) if fact.record.stream == stream), None)
        if last is not None:
            self._long.discard(stream)
            self.writer.snapshot(stream, last.version, last.chain_hash, state.value)

    async def _start(self, stream: str) -> State:
        """Where a replay begins: at the last snapshot, or at nothing."""
        snapshots = self.writer.snapshots
        found = None if snapshots is None else await snapshots.last(stream)
        return State(0, self.writer.decider_of(stream).initial) if found is None else State(*found)

    async def _load(self, stream: str) -> State:
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

    async def _replay(self, stream: str, state: State) -> State:
        evolve = self.writer.decider_of(stream).evolve
        async for version, event in self.journal.read_stream(stream, after=state.version):
            state = State(version, evolve(state.value, event))
        return state

    async def catch_up_stream(self, stream: str) -> State:
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
                    self.states[record.stream] = State(record.version, self.writer.decider_of(record.stream).evolve(held.value, event))
                if record.partner is not None and record.partner_seq is not None:
                    self.partner_seq[record.partner] = record.partner_seq
                self.position, self.chain = record.position, record.chain_hash
        if head.chain_hash != self.chain:
            raise restored


def left_to_a_newer_build(stream: str) -> Unavailable:
    return Unavailable(f"{stream} has events that this build does not know: a newer one goes on with it")


class NotLookedFor(Exception):
    """A command gets no outcome of its own, and whether it has one already was not looked for."""


class NotThisJournal(Exception):
    """A newer build has taken over the journal, or it was restored under our feet: this process must not write again."""


def _kind_of(answer: Answer) -> str:
    match answer:
        case Accepted() | tuple():
            return "accepted"
        case Refused():
            return "refused"
        case _:
            return type(answer).__name__
