"""Kernels broken on purpose, each in one part. The simulation must find every one of them: `test_it_bites`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from typing import Any, ClassVar

import msgspec

from services.inventory.domain.dispatch import LEDGER_RECEIPT, DispatchDraw
from services.inventory.events import GateEvidence
from services.inventory.main import SERVICE as INVENTORY
from shared.delivery.broker import BrokerUnreachable
from shared.delivery.inbox import Inbox
from shared.delivery.lines import Fork, Line
from shared.delivery.relay import Relay
from shared.delivery.timers import Timers
from shared.journal.decider import Decider
from shared.journal.messages import Headed
from shared.journal.protocol import Append, Changes, Cursor, Head, TimerRow, Unreachable
from shared.journal.record import Fact, Record
from shared.writer.commands import CommandFailed, Context, Unavailable
from shared.writer.writer import Writer
from tests.simulation.sim_journal import DataRefused, SimInboxLead, SimJournal, SimTimersLead
from tests.simulation.world import Kernel

# The relay


class RelaySavesItsCursorFirst(Relay):
    async def _carry(self, lead: Any, producer: Any, shard: int, cursors: dict[int, Cursor]) -> bool:
        class MovesFirst:
            async def send(_, partition: Any, messages: Any) -> None:
                await lead.move(shard, since=cursors[shard].position, to=cursors[shard].position + len(messages))
                await producer.send(partition, messages)

        class Moved:
            async def move(_, shard: int, *, since: int, to: int) -> None:
                pass

        return await super()._carry(Moved(), MovesFirst(), shard, cursors)  # type: ignore[arg-type]


class RelayTrustsItsMessagesToArrive(Relay):
    async def _carry(self, lead: Any, producer: Any, shard: int, cursors: dict[int, Cursor]) -> bool:
        class Hopeful:
            async def send(_, partition: Any, messages: Any) -> None:
                with suppress(BrokerUnreachable):
                    await producer.send(partition, messages)

        return await super()._carry(lead, Hopeful(), shard, cursors)  # type: ignore[arg-type]


# The journal


class OutcomesSavedAfterTheTransaction(SimJournal):
    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Any]:
        async with super().append(shard, command_ids) as append:
            withheld = _withhold(append, "outcomes")
            yield append
        await self.process.out("outcomes, later")
        for changes in withheld:
            self.store.keep_outcomes(changes)


class TimersSetAfterTheTransaction(SimJournal):
    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Any]:
        async with super().append(shard, command_ids) as append:
            withheld = _withhold(append, "timers")
            yield append
        await self.process.out("timers, later")
        for changes in withheld:
            self.store.set_timers(changes.timers)


class DocumentsSavedAfterTheTransaction(SimJournal):
    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Any]:
        async with super().append(shard, command_ids) as append:
            withheld = _withhold(append, "documents")
            yield append
        await self.process.out("documents, later")
        for changes in withheld:
            self.store.documents |= {document.name: document for document in changes.documents}


class OutcomesSavedBeforeTheTransaction(SimJournal):
    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Any]:
        async with super().append(shard, command_ids) as append:
            save = append.save

            async def save_outcomes_first(changes: Changes) -> None:
                self.store.keep_outcomes(changes)
                await save(msgspec.structs.replace(changes, outcomes=()))

            append.save = save_outcomes_first
            yield append


class ReadsWhatIsNotCommitted(SimJournal):
    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        records = await super().read(shard, after=after, limit=limit)
        under_way = [each.changes for each in self.store.transactions if each.number == shard and each.changes is not None]
        return (records + [fact.record for changes in under_way for fact in changes.facts if fact.record.position > after])[:limit]


def _withhold(append: Any, part: str) -> list[Changes]:
    """Has the append save its changes without that part of them; gives the whole changes."""
    withheld: list[Changes] = []
    save = append.save

    async def save_the_rest(changes: Changes) -> None:
        withheld.append(changes)
        await save(msgspec.structs.replace(changes, **{part: ()}))

    append.save = save_the_rest
    return withheld


class BelievedHeadsNotCompared(SimJournal):
    def is_head(self, head: Head, believed: Head) -> bool:
        return True


class PositionsFromASequence(SimJournal):
    """Each transaction takes the next numbers when it writes, and the next one need not wait until it has committed."""

    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Any]:
        async with super().append(shard, command_ids) as append:
            held, save = self.store.shards[shard], append.save
            append.committed = append.head
            taken = getattr(held, "sequence", append.head)
            if taken.position > append.head.position:
                append.head = taken

            async def save_and_let_the_next_one_in(changes: Changes) -> None:
                await save(changes)
                if changes.facts:
                    last = changes.facts[-1].record
                    held.sequence = Head(last.position, last.chain_hash, changes.recorded_at, append.head.epoch)  # type: ignore[attr-defined]
                append._transaction.unlock()

            append.save = save_and_let_the_next_one_in
            yield append


class _CatchesUpWithWhatIsCommitted(Writer):
    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            catch_up = shard._catch_up

            async def as_far_as_seen(append: Any, shard: Any = shard, catch_up: Any = catch_up) -> None:
                next_one = append.head
                if shard.position <= append.committed.position:
                    append.head = append.committed
                    await catch_up(append)
                    append.head = next_one
                shard.position, shard.chain = next_one.position, next_one.chain_hash

            shard._catch_up = as_far_as_seen  # type: ignore[method-assign]


class _NoCompareAndSet(SimInboxLead):
    def _move(self, source: str, shard: int, since: int, to: Cursor, facts: Sequence[Fact], parked: Any) -> None:
        self._save(source, shard, to, facts)


class CursorsWithoutCompareAndSet(SimJournal):
    leads: ClassVar = {**SimJournal.leads, "inbox": _NoCompareAndSet}


class _TablesFirst(SimInboxLead):
    async def move(self, source: str, shard: int, *, facts: Sequence[Fact] = (), **more: Any) -> None:
        self._take(source, facts)
        await super().move(source, shard, **more)


class TablesFedOutsideTheCursorsTransaction(SimJournal):
    leads: ClassVar = {**SimJournal.leads, "inbox": _TablesFirst}


# The writer


class StatesPublishedBeforeTheCommit(Writer):
    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            decide_all = shard._decide_all

            async def publishing(append: Append, pending: Any, shard: Any = shard, decide_all: Any = decide_all) -> Any:
                batch = await decide_all(append, pending)
                shard.states.update(batch.states)
                return batch

            shard._decide_all = publishing  # type: ignore[method-assign]


class AnsweredBeforeTheCommit(Writer):
    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            decide_all = shard._decide_all

            async def answering(append: Append, pending: Any, decide_all: Any = decide_all) -> Any:
                batch = await decide_all(append, pending)
                for each, answer in batch.answers:
                    if not each.answer.done() and not isinstance(answer, Exception):
                        each.answer.set_result(answer)
                return batch

            shard._decide_all = answering  # type: ignore[method-assign]


class OthersWritesNotCaughtUp(Writer):
    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():

            async def skip(append: Append, shard: Any = shard) -> None:
                shard.position, shard.chain = append.head.position, append.head.chain_hash

            shard._catch_up = skip  # type: ignore[method-assign]


class OwnClockOnly(Writer):
    """Each record has the time of the process that wrote it, even if that is before the last one's."""

    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            decide_all = shard._decide_all

            async def forgetting(append: Any, pending: Any, decide_all: Any = decide_all) -> Any:
                append.head = msgspec.structs.replace(append.head, recorded_at=None)
                return await decide_all(append, pending)

            shard._decide_all = forgetting  # type: ignore[method-assign]


class FirstPartnerNumbersRemembered(Writer):
    """Partners are numbered from what this process knew when it started, and from its own writes."""

    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            catch_up = shard._catch_up

            async def forgetting(append: Append, shard: Any = shard, catch_up: Any = catch_up) -> None:
                known = dict(shard.partner_seq)
                await catch_up(append)
                shard.partner_seq = known

            shard._catch_up = forgetting  # type: ignore[method-assign]


class RefusedBatchesFail(Writer):
    """What PostgreSQL refuses of one command is the end of all that stood with it in a transaction."""

    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            commit = shard._commit

            async def all_or_none(pending: Any, shard: Any = shard, commit: Any = commit) -> None:
                try:
                    await commit(pending)
                except DataRefused as error:
                    shard._fail(pending, CommandFailed(repr(error)))

            shard._commit = all_or_none  # type: ignore[method-assign]


class ExpectedVersionsIgnored(Writer):
    async def submit(self, stream: str, command: Any, context: Context) -> Any:
        return await super().submit(stream, command, msgspec.structs.replace(context, expected_version=None))


class OtherInputUnderADecidedId(Writer):
    async def submit(self, stream: str, command: Any, context: Context) -> Any:
        return await super().submit(stream, command, msgspec.structs.replace(context, fingerprint=b"input"))


class DoubtIsFailure(Writer):
    """What was not acknowledged has failed: it is not looked up."""

    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            commit = shard._commit

            async def once(pending: Any, commit: Any = commit) -> None:
                try:
                    await commit(pending)
                except Unreachable as error:
                    for each in pending:
                        if not each.answer.done():
                            each.answer.set_exception(Unavailable(str(error)))

            shard._commit = once  # type: ignore[method-assign]


class AheadUsedWhateverWasCommitted(Writer):
    """A batch that was decided ahead counts, whatever was committed before it."""

    async def start(self) -> None:
        await super().start()
        for shard in self._shards.values():
            decide_ahead = shard._decide_ahead

            def careless(last: Any, shard: Any = shard, decide_ahead: Any = decide_ahead) -> None:
                decide_ahead(last)
                if shard._ahead is not None:
                    shard._ahead = _Careless(shard._ahead)

            shard._decide_ahead = careless  # type: ignore[method-assign]


class _Careless:
    def __init__(self, ahead: Any) -> None:
        self.batch = ahead.batch
        self._pending = ahead.pending

    def holds(self, pending: Any, append: Append) -> bool:
        return self._pending is pending


# The inbox


class InboxSavesItsCursorFirst(Inbox):
    async def _settle(self, lead: Any, line: Line, ready: Sequence[Headed]) -> None:
        decode = self.subscriptions[line.source].decode
        await self._save(lead, line, [(headed, decode(headed.record)) for headed in ready])
        for headed in ready:
            await self._react(line.source, headed.record)


class ReactionsAreNotAwaited(Inbox):
    async def _submit(self, fact: Fact, index: int, reaction: Any) -> Any:
        self._going = asyncio.ensure_future(super()._submit(fact, index, reaction))
        await asyncio.sleep(0)


class _NewIds:
    """A writer that gives each command an id of its own, also one that was submitted before."""

    def __init__(self, writer: Writer, journal: SimJournal) -> None:
        self._writer = writer
        self._dice = journal.chance.random

    async def submit(self, stream: str, command: Any, context: Any) -> Any:
        return await self._writer.submit(stream, command, msgspec.structs.replace(context, command_id=self._dice.randbytes(32)))


def _reacting_under_new_ids(journal: Any, broker: Any, writer: Any, *rest: Any) -> Inbox:
    return Inbox(journal, broker, _NewIds(writer, journal), *rest)  # type: ignore[arg-type]


class _NewIdsWhenInDoubt(_NewIds):
    async def submit(self, stream: str, command: Any, context: Any) -> Any:
        while True:
            try:
                return await self._writer.submit(stream, command, context)
            except Unavailable:
                context = msgspec.structs.replace(context, command_id=self._dice.randbytes(32))


def _doubt_tried_under_a_new_id(journal: Any, broker: Any, writer: Any, *rest: Any) -> Inbox:
    return Inbox(journal, broker, _NewIdsWhenInDoubt(writer, journal), *rest)  # type: ignore[arg-type]


class _Lines(dict[tuple[str, int], Line]):
    """Lines of another class than the inbox asks for."""

    def __init__(self, line: type[Line]) -> None:
        super().__init__()
        self._line = line

    def setdefault(self, key: tuple[str, int], default: Any = None) -> Line:
        return super().setdefault(key, self._line(*key))


class _RepeatsByPosition(Line):
    def follow(self, arrived: Headed, last: Headed | None) -> bool:
        position = self.position if last is None else last.record.position
        return arrived.record.position > position and super().follow(arrived, last)


class RepeatsNotComparedByHash(Inbox):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.lines = _Lines(_RepeatsByPosition)


class _TakesWhateverIsLater(Line):
    def follow(self, arrived: Headed, last: Headed | None) -> bool:
        position = self.position if last is None else last.record.position
        return arrived.record.position > position or super().follow(arrived, last)


class GapsPassedOver(Inbox):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.lines = _Lines(_TakesWhateverIsLater)

    async def _fill(self, lead: Any, line: Line, *, until: int) -> None:
        pass


class SilenceIsTakenForTheEnd(Inbox):
    """The source is asked whether it has forked, and not whether it has more."""

    async def _compare(self, lead: Any, line: Line) -> None:
        _, chain = await self.sources.head(line.source, line.shard, at=line.position)
        if chain != line.chain:
            raise Fork(f"{line.name}/{line.position} has another hash")


class SourcesNotComparedByHash(Inbox):
    async def _compare(self, lead: Any, line: Line) -> None:
        head, _ = await self.sources.head(line.source, line.shard, at=line.position)
        await self._fill(lead, line, until=head)


# Timers


class TimerForgottenBeforeItIsSettled(Timers):
    async def fire(self, lead: Any, timer: Any) -> None:
        await lead.forget(timer)

        class Forgotten:
            async def forget(_, timer: Any) -> None:
                pass

        await super().fire(Forgotten(), timer)  # type: ignore[arg-type]


class TimerFiresOnceADay(Timers):
    """Whatever event has set it to that day."""

    async def fire(self, lead: Any, timer: Any) -> None:
        class Known:
            async def forget(_, _timer: Any) -> None:
                await lead.forget(timer)

        await super().fire(Known(), msgspec.structs.replace(timer, version=None))  # type: ignore[arg-type]


class InstantsPassedOver(SimTimersLead):
    async def due(self, day: date, now: datetime) -> list[TimerRow]:
        return [row for row in await super().due(day, now) if row.at is None]


class TimersOfDaysOnly(SimJournal):
    leads: ClassVar[Any] = {**SimJournal.leads, "timers": InstantsPassedOver}


# The rules


def _without_the_receipt_gate(deciders: Sequence[Decider]) -> Sequence[Decider]:
    return tuple(msgspec.structs.replace(each, decide=_decide) if each.kind == "stockpile" else each for each in deciders)


def _decide(command: Any, state: Any) -> Any:
    if isinstance(command, DispatchDraw):
        gate = GateEvidence(gate=LEDGER_RECEIPT, evidence="none", by="nobody")
        command = msgspec.structs.replace(command, gates=(gate, *(each for each in command.gates if each.gate != LEDGER_RECEIPT)))
    return INVENTORY.deciders[0].decide(command, state)


def _headroom_looked_up_elsewhere(deciders: Sequence[Decider]) -> Sequence[Decider]:
    """What is committed is read from a table, which is a little behind, and not from the stream itself."""
    seen: dict[str, Any] = {}

    def by_the_table(facility: Decider) -> Decider:
        def decide(command: Any, state: Any) -> Any:
            behind = seen.get("used", state.used_minor)
            seen["used"] = state.used_minor
            return facility.decide(command, msgspec.structs.replace(state, used_minor=behind))

        return msgspec.structs.replace(facility, decide=decide)

    return tuple(by_the_table(each) if each.kind == "facility" else each for each in deciders)


class Broken(msgspec.Struct, frozen=True):
    """A kernel with a fault, and (a regular expression) what the audit must say of it."""

    found_by: str
    kernel: Kernel


KERNELS: dict[str, Broken] = {
    "relay saves its cursor before the acknowledgements": Broken("was never published", Kernel(relay=RelaySavesItsCursorFirst)),
    "relay takes a failed send for a sent one": Broken("was never published", Kernel(relay=RelayTrustsItsMessagesToArrive)),
    "outcomes saved after the transaction": Broken("^(answers|once): ", Kernel(journal=OutcomesSavedAfterTheTransaction)),
    "positions from a sequence instead of the head lock": Broken(
        "^(chains|answers|messages|ledger): ", Kernel(journal=PositionsFromASequence, writer=_CatchesUpWithWhatIsCommitted)
    ),
    "a believed head is not compared": Broken("its number is taken|^chains: ", Kernel(journal=BelievedHeadsNotCompared)),
    "outcomes saved before the transaction": Broken("which is nowhere$", Kernel(journal=OutcomesSavedBeforeTheTransaction)),
    "documents saved after the transaction": Broken("^documents: ledger", Kernel(journal=DocumentsSavedAfterTheTransaction)),
    "what is not committed is read": Broken("was published, and is not in the journal", Kernel(journal=ReadsWhatIsNotCommitted)),
    "timers set after the transaction": Broken("^timers: .* set for None", Kernel(journal=TimersSetAfterTheTransaction)),
    "no compare-and-set on the inbox's cursor": Broken(
        "^ledger: entry", Kernel(journal=CursorsWithoutCompareAndSet, copies=2, rates={"lead_lost_every_s": 0.5})
    ),
    "tables fed outside the cursor's transaction": Broken("^ledger: entry", Kernel(journal=TablesFedOutsideTheCursorsTransaction)),
    "states published before the commit": Broken("otherwise than its journal says", Kernel(writer=StatesPublishedBeforeTheCommit)),
    "answered before the commit": Broken("^answers: ", Kernel(writer=AnsweredBeforeTheCommit)),
    "what another process wrote is not caught up": Broken("its number is taken", Kernel(writer=OthersWritesNotCaughtUp)),
    "a batch decided ahead is used whatever was committed": Broken(
        "its number is taken|^chains: |^answers: ", Kernel(writer=AheadUsedWhateverWasCommitted)
    ),
    "recorded by the own clock alone": Broken("was recorded before the one before it", Kernel(writer=OwnClockOnly)),
    "partners numbered from the own writes": Broken("is number . of", Kernel(writer=FirstPartnerNumbersRemembered)),
    "a refused command takes its batch with it": Broken(
        r"failed: CommandFailed.*DataRefused", Kernel(writer=RefusedBatchesFail, lost_lots=1.0)
    ),
    "an expected version is not looked at": Broken("was for version", Kernel(writer=ExpectedVersionsIgnored)),
    "another input under a decided id is answered": Broken("was decided for another input", Kernel(writer=OtherInputUnderADecidedId)),
    "a commit in doubt is a failure, and is tried under a new id": Broken(
        "came 2 commands", Kernel(writer=DoubtIsFailure, inbox=_doubt_tried_under_a_new_id)
    ),
    "inbox saves its cursor before its commands are settled": Broken(r"came \[\] in", Kernel(inbox=InboxSavesItsCursorFirst)),
    "inbox does not wait for its commands": Broken(r"came \[\] in", Kernel(inbox=ReactionsAreNotAwaited)),
    "reactions without ids of their events": Broken("came 2 commands", Kernel(inbox=_reacting_under_new_ids)),
    "a repeat with another hash is passed over": Broken("has passed over another", Kernel(inbox=RepeatsNotComparedByHash)),
    "a source with another hash is passed over": Broken("has passed over another", Kernel(inbox=SourcesNotComparedByHash)),
    "a gap is not filled": Broken("^ledger: entry", Kernel(inbox=GapsPassedOver)),
    "a lost tail is not missed": Broken("does not come to rest: .* has taken", Kernel(inbox=SilenceIsTakenForTheEnd)),
    "timer forgotten before it is settled": Broken("^timers: .* was due", Kernel(timers=TimerForgottenBeforeItIsSettled)),
    "a timer fires once a day": Broken("^timers: .* was due", Kernel(timers=TimerFiresOnceADay)),
    "timers of an instant are passed over": Broken("^tenders: .* was to", Kernel(journal=TimersOfDaysOnly)),
    "dispatch without a receipt": Broken("went out at .* without a receipt", Kernel(deciders=_without_the_receipt_gate)),
    "headroom is looked up in a table": Broken("^headroom: .* are committed under", Kernel(deciders=_headroom_looked_up_elsewhere)),
}
