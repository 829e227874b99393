"""SimJournal: `shared.journal.protocol.Journal` in memory. What is committed is in a `Store`, which outlives every process."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from shared.journal.codec import Codec
from shared.journal.messages import Headed
from shared.journal.places import Histories
from shared.journal.protocol import Changes, CommandDecidedElsewhere, Cursor, Document, Head, LostLead, Outcome, TimerRow, Unreachable
from shared.journal.record import GENESIS, Fact, Record
from tests.simulation.chance import Fault
from tests.simulation.process import Process

SILENT_SECONDS = 15.0  # as `shared.journal.postgres` asks of its server

type Took = Callable[[Any, Sequence[Fact]], None]  # (the store's tables, facts)


class DataRefused(Exception):
    """What PostgreSQL's constraints refuse."""


class Shard:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.recorded_at: datetime | None = None
        self.partner_seq: dict[str, int] = {}
        self.epoch = 1
        self.lock = asyncio.Lock()

    def after(self, position: int, limit: int) -> list[Record]:
        start = bisect_right(self.records, position, key=_position)
        return self.records[start : start + limit]

    def head(self) -> Head:
        last = self.records[-1] if self.records else None
        return Head(
            position=last.position if last else 0,
            chain_hash=last.chain_hash if last else GENESIS,
            recorded_at=self.recorded_at,
            epoch=self.epoch,
        )


_position, _version = attrgetter("position"), attrgetter("version")


def _add(records: list[Record], record: Record, number: Callable[[Record], int]) -> None:
    """Where its number puts it, which is nearly always the end."""
    at = bisect_right(records, number(record), key=number)
    if at and number(records[at - 1]) == number(record):
        raise DataRefused(f"{record.stream} {record.version} at {record.position}: its number is taken")
    records.insert(at, record)


class Session:
    """A connection that holds a role's lock, as the server sees it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.broken = False


class Store:
    """A service's schema: committed rows only. `project` and `takes` feed its `tables`, in the transaction of what feeds them."""

    def __init__(
        self, service: str, shards: int = 4, *, tables: Any = None, project: Took | None = None, takes: Mapping[str, Took] | None = None
    ) -> None:
        self.service = service
        self.shards = {number: Shard() for number in range(shards)}
        self.streams: dict[str, int] = {}
        self.by_stream: dict[str, list[Record]] = {}
        self.outcomes: dict[bytes, Outcome] = {}
        self.decided_at: dict[bytes, datetime] = {}
        self.deciding: dict[bytes, asyncio.Event] = {}  # ids that an open transaction has saved outcomes of
        self.documents: dict[str, Document] = {}
        self.timers: dict[tuple[str, str], TimerRow] = {}
        self.carried = dict.fromkeys(self.shards, 0)  # by the relay
        self.taken: dict[tuple[str, int], Cursor] = {}  # by the inbox
        self.parked: dict[tuple[str, int, int], tuple[Headed, str]] = {}
        self.set_aside: list[tuple[str, int, int, str]] = []
        self.leading: dict[str, Session] = {}
        self.transactions: dict[_Transaction, None] = {}  # that are open
        self.tables = tables
        self.project = project
        self.takes = takes or {}
        self.refuses: Callable[[Fact], bool] = lambda fact: False  # as a constraint of its tables
        self.committed: Callable[[str, Sequence[Record]], None] = lambda service, records: None
        self._waiting: list[asyncio.Future[None]] = []

    def commit(self, shard: int, changes: Changes) -> None:
        held = self.shards[shard]
        records = [fact.record for fact in changes.facts]
        for record in records:
            _add(held.records, record, _position)
            _add(self.by_stream.setdefault(record.stream, []), record, _version)
            self.streams.setdefault(record.stream, shard)
            if record.partner is not None and record.partner_seq is not None:
                held.partner_seq[record.partner] = record.partner_seq
        if records:
            held.recorded_at = changes.recorded_at
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
            self.committed(self.service, records)
            if self.project is not None:
                self.project(self.tables, changes.facts)
        self.keep_outcomes(changes)
        for document in changes.documents:
            self.documents.setdefault(document.name, document)
        self.set_timers(changes.timers)

    def keep_outcomes(self, changes: Changes) -> None:
        for outcome in changes.outcomes:
            self.outcomes[outcome.command_id] = outcome
            self.decided_at[outcome.command_id] = changes.recorded_at

    def set_timers(self, changes: Sequence[TimerRow | tuple[str, str]]) -> None:
        for change in changes:
            if isinstance(change, TimerRow):
                self.timers[change.stream, change.name] = change
            else:
                self.timers.pop(change, None)

    async def news(self) -> None:
        """Until something is committed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def chain_at(self, shard: int, position: int) -> bytes | None:
        """Of nothing, GENESIS; None where there is no such event."""
        if position == 0:
            return GENESIS
        found = self.shards[shard].after(position - 1, 1)
        return found[0].chain_hash if found and found[0].position == position else None

    def end_transactions(self) -> None:
        """As when the server is restarted: what is open is rolled back."""
        for transaction in list(self.transactions):
            transaction.end()

    def lose_session(self, role: str, *, broken: bool) -> bool:
        """The server forgets who leads. That one finds out at its next word, or, if not `broken`, when its cursor has been moved."""
        session = self.leading.pop(role, None)
        if session is None:
            return False
        session.broken = broken
        session.process.fault(Fault.SESSION_LOST if broken else Fault.SESSION_LOST_UNAWARE, role)
        return True


class SimJournal:
    """One process's way to its store."""

    leads: Mapping[str, "type[SimLead]"] = {}  # role -> what its leader is given; filled below

    def __init__(self, store: Store, codec: Codec, process: Process) -> None:
        self.store = store
        self.service = store.service
        self.codec = codec
        self.histories = Histories()  # the simulated deployment is never restored as a whole
        self.process = process
        self.chance = process.chance

    async def heads(self) -> dict[int, tuple[Head, Mapping[str, int]]]:
        await self.ask("heads")
        return {number: (shard.head(), dict(shard.partner_seq)) for number, shard in self.store.shards.items()}

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        await self.ask(f"read {shard} after {after}")
        return self.store.shards[shard].after(after, limit)

    async def read_stream(self, stream: str, *, after: int = 0) -> AsyncIterator[tuple[int, Any]]:
        await self.ask(f"read {stream} after {after}")
        found = self.store.by_stream.get(stream, [])[after:]
        await self.process.back(f"read {stream}")
        for record in found:
            yield record.version, self.codec.decode(record.type, record.data)

    async def shard_of(self, stream: str) -> int | None:
        await self.ask(f"shard of {stream}")
        return self.store.streams.get(stream)

    @asynccontextmanager
    async def append(
        self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None
    ) -> AsyncIterator["SimAppend | SimBelief"]:
        if believed is not None:
            yield (belief := SimBelief(believed))
            if belief.changes is None:
                return
        await self.ask(f"append {shard}")
        transaction = _Transaction(self, shard)
        await transaction.begin()
        try:
            if believed is None:
                yield SimAppend(transaction, command_ids)
            elif not self.is_head(transaction.shard.head(), believed):
                raise CommandDecidedElsewhere
            else:
                assert belief.changes is not None
                await SimAppend(transaction, ()).save(belief.changes)
            await transaction.commit()
        finally:
            transaction.end()

    def is_head(self, head: Head, believed: Head) -> bool:
        return head == believed

    @asynccontextmanager
    async def lead(self, role: str) -> AsyncIterator[Any]:
        """Any role, also one of a service's own."""
        await self.ask(f"lead {role}")
        leading = self.store.leading
        if role in leading:
            yield None
            return
        session = leading[role] = Session(self.process)
        self.process.note(f"leads {role}")

        def leave() -> None:
            if leading.get(role) is session:
                del leading[role]

        def noticed() -> None:  # the server finds out that the process has died: at once, or when its connection times out
            asyncio.get_running_loop().call_later(self.chance.random.choice((0.0, 0.1, 2.0)), leave)

        noticed_no_more = self.process.at_death(noticed)
        try:
            yield self.leads.get(role, SimLead)(self, role, session)
        finally:
            noticed_no_more()
            if self.process.alive:
                leave()

    async def ask(self, what: str) -> None:
        await self.process.out(what)
        if self.chance.happens(self.chance.rates.unreachable):
            self.process.fault(Fault.UNREACHABLE, what)
            raise Unreachable(f"{what}: the server does not answer")


class _Transaction:
    """Holds a shard's head lock from its begin to its end, whatever becomes of the process that began it."""

    def __init__(self, journal: SimJournal, shard: int) -> None:
        self.journal = journal
        self.store = journal.store
        self.process = journal.process
        self.chance = journal.chance
        self.number = shard
        self.shard = journal.store.shards[shard]
        self.changes: Changes | None = None
        self.open = False
        self.locked = False
        self.over = asyncio.Event()
        self._silence: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        await self.shard.lock.acquire()
        self.open = self.locked = True
        self.store.transactions[self] = None
        self._silence = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """The server ends a transaction that has gone silent."""
        if self.open:
            self._release()

    async def ask(self, what: str) -> None:
        try:
            await self.journal.ask(f"{what} in {self.number}")
        except Unreachable:
            self.end()
            raise
        if not self.open:
            raise Unreachable("the transaction was rolled back")

    async def commit(self) -> None:
        """Done, not done, or in doubt: `Unreachable` tells nothing."""
        what = f"commit {self.number}"
        try:
            await self.process.out(what)
        except asyncio.CancelledError:
            self._may_arrive()
            raise
        if not self.open:
            raise Unreachable("the transaction was rolled back")
        if self.chance.happens(self.chance.rates.in_doubt):
            self._in_doubt()
        self.apply()
        await self.process.back(what)

    def _may_arrive(self) -> None:
        """Nobody hears the answer."""
        if self.open and self.chance.random.random() < 0.5:
            self._go_on_alone()

    def _go_on_alone(self) -> None:
        """The server does, and keeps the lock meanwhile."""
        self.open = False
        asyncio.get_running_loop().call_later(self.chance.random.uniform(0.0, 0.3), self._late)

    def _in_doubt(self) -> None:
        fault = self.chance.random.choice((Fault.NOT_DONE, Fault.DONE, Fault.DONE_LATER))
        self.process.fault(fault, f"commit {self.number}")
        match fault:
            case Fault.NOT_DONE:
                self.end()
            case Fault.DONE:
                self.apply()
            case _:
                self._go_on_alone()
        raise Unreachable("the answer to a commit was lost")

    def _late(self) -> None:
        self.open = True
        self.apply()

    def apply(self) -> None:
        try:
            if self.changes is not None:
                self.store.commit(self.number, self.changes)
                self.process.note(f"committed {self.number} {self.shard.head().position}")
        finally:
            self.end()

    def end(self) -> None:
        """Rolls back what was not applied, and gives the lock back: at once, or when the server finds out that nobody is there."""
        if not self.open:
            return
        if self.process.alive:
            self._release()
            return
        self.open = False
        asyncio.get_running_loop().call_later(self.chance.random.choice((0.0, 0.05, 1.0)), self._release)

    def _release(self) -> None:
        self.open = False
        self.store.transactions.pop(self, None)
        if self._silence is not None:
            self._silence.cancel()
        for outcome in self.changes.outcomes if self.changes is not None else ():
            if self.store.deciding.get(outcome.command_id) is self.over:
                del self.store.deciding[outcome.command_id]
        self.over.set()
        self.unlock()

    def unlock(self) -> None:
        if self.locked:
            self.locked = False
            self.shard.lock.release()


class SimAppend:
    def __init__(self, transaction: _Transaction, command_ids: Sequence[bytes]) -> None:
        self._transaction = transaction
        outcomes = transaction.store.outcomes
        self.head = transaction.shard.head()
        self.known = {name: outcomes[name] for name in command_ids if name in outcomes}

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        await self._transaction.ask(f"read {shard} after {after}")
        return self._transaction.store.shards[shard].after(after, limit)

    async def save(self, changes: Changes) -> None:
        transaction = self._transaction
        await transaction.ask(f"save {len(changes.facts)} events")
        store = transaction.store
        if any(store.refuses(fact) for fact in changes.facts):
            transaction.end()
            raise DataRefused("a table's constraint")
        ids = [outcome.command_id for outcome in changes.outcomes]
        while (other := next((store.deciding[name] for name in ids if name in store.deciding), None)) is not None:
            await other.wait()  # as a unique key does, until the other transaction has ended
        if any(name in store.outcomes for name in ids):
            transaction.end()
            raise CommandDecidedElsewhere
        transaction.changes = changes
        store.deciding |= dict.fromkeys(ids, transaction.over)


class SimBelief:
    """An append to a head that is believed: it asks nothing of the store before its end."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.known: Mapping[bytes, Outcome] = {}
        self.changes: Changes | None = None

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        raise AssertionError("of a head that is believed, there is nothing to read")

    async def save(self, changes: Changes) -> None:
        self.changes = changes


class SimLead:
    """The lock's holder. Having lost it, it may still be heard: then what each call compares keeps it from harm."""

    def __init__(self, journal: SimJournal, role: str, session: Session) -> None:
        self.store = journal.store
        self.chance = journal.chance
        self.process = journal.process
        self._journal = journal
        self._role = role
        self._session = session

    async def _ask(self, what: str) -> None:
        await self._journal.ask(f"{self._role}: {what}")
        if self._session.broken:
            raise Unreachable("the session is gone")

    async def _change(self, what: str, change: Callable[[], None]) -> None:
        await self._ask(what)
        if not self.chance.happens(self.chance.rates.in_doubt):
            change()
            await self.process.back(what)
            return
        fault = self.chance.random.choice((Fault.NOT_DONE, Fault.DONE))
        self.process.fault(fault, what)
        if fault is Fault.DONE:
            change()
        raise Unreachable("the answer was lost")


class SimRelayLead(SimLead):
    async def cursors(self) -> dict[int, Cursor]:
        await self._ask("cursors")
        return {shard: Cursor(at, self.store.chain_at(shard, at) or GENESIS) for shard, at in self.store.carried.items()}

    async def ahead(self, cursors: Mapping[int, Cursor]) -> list[int]:
        await self._ask("ahead")
        return [shard for shard, cursor in cursors.items() if self.store.shards[shard].head().position > cursor.position]

    async def move(self, shard: int, *, since: int, to: int) -> None:
        await self._change(f"{shard} from {since} to {to}", lambda: self._move(shard, since, to))

    def _move(self, shard: int, since: int, to: int) -> None:
        if self.store.carried[shard] != since:
            raise LostLead(f"the cursor of shard {shard} is no longer at {since}")
        self.store.carried[shard] = to

    async def news(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.store.news()
        except TimeoutError:
            await self._ask("no news")


class SimInboxLead(SimLead):
    async def cursors(self) -> dict[tuple[str, int], tuple[Cursor, frozenset[str]]]:
        await self._ask("cursors")
        parked = {(source, shard): set[str]() for source, shard in self.store.taken}
        for (source, shard, _), (headed, _reason) in self.store.parked.items():
            parked[source, shard].add(headed.record.stream)
        return {line: (cursor, frozenset(parked[line])) for line, cursor in self.store.taken.items()}

    async def move(
        self, source: str, shard: int, *, since: int, to: Cursor, facts: Sequence[Fact] = (), parked: Mapping[str, Sequence[Headed]] = {}
    ) -> None:
        await self._change(f"{source}/{shard} from {since} to {to.position}", lambda: self._move(source, shard, since, to, facts, parked))

    def _move(self, source: str, shard: int, since: int, to: Cursor, facts: Sequence[Fact], parked: Mapping[str, Sequence[Headed]]) -> None:
        if self._at(source, shard) != since:
            raise LostLead(f"{source}/{shard} is no longer at {since}")
        self._save(source, shard, to, facts)
        for reason, events in parked.items():
            for headed in events:
                self.store.parked[source, shard, headed.record.position] = (headed, reason)

    def _at(self, source: str, shard: int) -> int:
        cursor = self.store.taken.get((source, shard))
        return cursor.position if cursor is not None else 0

    def _save(self, source: str, shard: int, to: Cursor, facts: Sequence[Fact]) -> None:
        self._take(source, facts)
        self.store.taken[source, shard] = to

    def _take(self, source: str, facts: Sequence[Fact]) -> None:
        if facts and (take := self.store.takes.get(source)) is not None:
            take(self.store.tables, facts)

    async def parked(self, source: str, shard: int, stream: str) -> list[Headed]:
        await self._ask(f"parked of {stream}")
        found = sorted((place[2], headed) for place, (headed, _) in self.store.parked.items() if place[:2] == (source, shard))
        return [headed for _, headed in found if headed.record.stream == stream]

    async def unpark(self, fact: Fact) -> None:
        await self._change(f"unpark {fact.place}", lambda: self._unpark(fact))

    def _unpark(self, fact: Fact) -> None:
        if self.store.parked.pop((fact.source, fact.record.shard, fact.record.position), None) is None:
            raise LostLead(f"{fact.place} was un-parked by another process")
        self._take(fact.source, [fact])

    async def set_aside(self, source: str, partition: int, offset: int, reason: str) -> None:
        await self._ask(f"set aside {source}/{partition} {offset}: {reason}")
        self.store.set_aside.append((source, partition, offset, reason))


class SimTimersLead(SimLead):
    async def due(self, day: date, now: datetime) -> list[TimerRow]:
        await self._ask(f"due on {day}")
        due = [row for row in self.store.timers.values() if row.due <= day and (row.at is None or row.at <= now)]
        return sorted(due, key=lambda row: (row.due, row.at is not None, row.at, row.stream, row.name))[:500]

    async def forget(self, timer: TimerRow) -> None:
        await self._change(f"forget {timer.stream} {timer.name}", lambda: self._forget(timer))

    def _forget(self, timer: TimerRow) -> None:
        row = self.store.timers.get((timer.stream, timer.name))
        if row is not None and row == timer:
            del self.store.timers[timer.stream, timer.name]

    async def forget_refusals(self, before: datetime) -> None:
        await self._change("forget refusals", lambda: self._forget_refusals(before))

    def _forget_refusals(self, before: datetime) -> None:
        for name, outcome in list(self.store.outcomes.items()):
            if outcome.refused is not None and self.store.decided_at[name] < before:
                del self.store.outcomes[name]


SimJournal.leads = {"relay": SimRelayLead, "inbox": SimInboxLead, "timers": SimTimersLead}
