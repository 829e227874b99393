"""Recover: what a journal that was restored to the past lacks, appended byte for byte from the copies that others hold.

What derives from events comes with them: streams, outcomes of accepted commands, timers, read tables; and the documents that they name.
Each commit of the journal is done again as one append, so whatever interrupts this leaves a shorter journal, and it may be repeated.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from itertools import groupby

import msgspec

from reserve.operate.copies import KafkaCopy, LedgerCopy, Recorded
from shared.journal.connection import Connection
from shared.journal.decider import Decider
from shared.journal.messages import Headed
from shared.journal.places import Place
from shared.journal.postgres import PostgresJournal, previous_hash, read_document
from shared.journal.protocol import UNKNOWN_INPUT, Changes, Document, Head, Outcome
from shared.journal.record import Fact, Record
from shared.journal.texts import TextErased
from shared.process.service import Service
from shared.writer.batch import timer_row

LOOKED_BACK = 10_000  # events of the ledger's own journal that are compared with what was sent

type PlaceAt = Callable[[int], Place]  # a position of the shard
type FindDocument = Callable[[str], Awaitable[Document | None]]


class HeldByNobody(Exception):
    """An event or a document is in no copy; the message names it."""


class AnotherHistory(Exception):
    """The journal is not the beginning of what others took: it was written on after it had been restored to the past."""


class Recovered(msgspec.Struct, frozen=True):
    """By line, such as "inventory/0": how many events were missing, and where the journal ends now."""

    events: dict[str, int]
    heads: dict[str, int]
    documents: int


async def recover(
    service: Service,
    journal: PostgresJournal,
    kafka: KafkaCopy,
    ledger: LedgerCopy | None,
    readers: Mapping[int, Mapping[str, int]],
    documents: FindDocument,
) -> Recovered:
    """`ledger`: None for its own journal. `readers`: of each shard, how far others have taken it.

    Raises HeldByNobody once everything before such places is recovered, AnotherHistory, and what the copies raise.
    """
    recorded = {} if ledger is None else await ledger.recorded()
    lacking = None if ledger is None else await ledger.lacking()
    kafka_is_empty = not any([await kafka.last(shard) for shard in await journal.heads()])
    events: dict[str, int] = {}
    heads: dict[str, int] = {}
    kept = 0
    held_by_nobody: list[str] = []
    for shard, (head, _) in (await journal.heads()).items():
        line, place = f"{service.name}/{shard}", partial(journal.histories.place, service.name, shard)
        missing = _Missing(place, shard, head, recorded.get(shard, Recorded(0)), ledger, kafka)
        async with journal.pool.acquire() as connection:
            await missing.compare(connection)
        append = _Appending(service, journal, shard, documents)
        try:
            async for commit in _commits(missing.events()):
                await append.again(commit)
            missing.check(readers.get(shard, {}))
            if lacking is not None and not missing.last_in_kafka and (missing.chain.position or kafka_is_empty):
                raise HeldByNobody(f"what follows {place(missing.chain.position)} may be held by nobody: Kafka does not say, and {lacking}")
        except HeldByNobody as error:
            held_by_nobody.append(str(error))
            continue
        if missing.chain.position and not missing.last_in_kafka:
            await _send_last(journal, kafka, shard, missing.chain.position)
        kept += append.documents_kept
        events[line], heads[line] = missing.chain.position - head.position, missing.chain.position
    if held_by_nobody:
        raise HeldByNobody("; ".join(held_by_nobody))
    return Recovered(events, heads, kept)


class _Chain:
    """Where the journal ends by now."""

    def __init__(self, place: PlaceAt, head: Head) -> None:
        self.place = place
        self.position = head.position
        self.chain_hash = head.chain_hash

    def follow(self, headed: Headed) -> None:
        record = headed.record
        if (record.position, headed.previous) != (self.position + 1, self.chain_hash):
            there = f"{self.chain_hash.hex()} at {self.position}"
            raise AnotherHistory(f"{self.place(record.position)} of a copy follows {headed.previous.hex()}, and the journal has {there}")
        self.position, self.chain_hash = record.position, record.chain_hash


class _Missing:
    """What a shard lacks: as far as the ledger has recorded it, and then as far as Kafka goes on from there."""

    def __init__(self, place: PlaceAt, shard: int, head: Head, recorded: Recorded, ledger: LedgerCopy | None, kafka: KafkaCopy) -> None:
        self.place = place
        self.shard = shard
        self.chain = _Chain(place, head)
        self.recorded = recorded
        self.ledger = ledger
        self.kafka = kafka
        self.last_in_kafka = False  # the journal's last event is
        self._gap: str | None = None

    async def compare(self, connection: Connection) -> None:
        """Raises AnotherHistory where the journal has, up to its end, anything else than the ledger."""
        common = min(self.chain.position, self.recorded.position)
        if common and not await self._same(connection, common):
            low, high = 0, common  # the same up to `low`, not at `high`
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if await self._same(connection, middle) else (low, middle)
            ours = await previous_hash(connection, self.shard, high)
            theirs = await self._theirs(high)
            raise AnotherHistory(
                f"{self.place(high)} has the chain hash {ours.hex()}, and the ledger took {theirs.hex()}: "
                f"restore a backup that ends before {high}"
            )
        if self.ledger is None:
            await self._compare_with_kafka(connection)

    async def _compare_with_kafka(self, connection: Connection) -> None:
        """The only other copy of the ledger's own journal. Of two events at a place, readers have taken the one that was sent first."""
        sent: dict[int, bytes] = {}
        for headed in await self.kafka.beyond(self.shard, max(self.chain.position - LOOKED_BACK, 0)):
            sent.setdefault(headed.record.position, headed.record.chain_hash)
        fork = None
        for position in range(self.chain.position, 0, -1):
            theirs, ours = sent.get(position), await previous_hash(connection, self.shard, position)
            if theirs is None or theirs == ours:
                break
            fork = f"{self.place(position)} has the chain hash {ours.hex()}, and {theirs.hex()} was sent first"
        if fork is not None:
            raise AnotherHistory(f"{fork}: restore a backup that ends before it")

    async def _same(self, connection: Connection, position: int) -> bool:
        return await self._theirs(position) == await previous_hash(connection, self.shard, position)

    async def _theirs(self, position: int) -> bytes:
        assert self.ledger is not None, "who has recorded something"
        return await self.ledger.chain_hash(self.shard, position)

    async def events(self) -> AsyncIterator[Headed]:
        if self.ledger is not None and self.recorded.position > self.chain.position:
            async for headed in self.ledger.after(self.shard, self.chain.position):
                self.chain.follow(headed)
                yield headed
        in_kafka = await self.kafka.beyond(self.shard, self.chain.position)
        following: dict[tuple[int, bytes], Headed] = {}
        for headed in in_kafka:  # of two that follow the same event, readers have taken the one that was sent first
            following.setdefault((headed.record.position, headed.previous), headed)
        while (found := following.get((self.chain.position + 1, self.chain.chain_hash))) is not None:
            self.chain.follow(found)
            yield found
        self._gap = self._gap_before(in_kafka)
        last = await self.kafka.last(self.shard)
        self.last_in_kafka = last is not None and last.record.chain_hash == self.chain.chain_hash

    def _gap_before(self, in_kafka: list[Headed]) -> str | None:
        """What is in Kafka beyond the journal's end now follows from a fork's event there, or from one that nobody holds."""
        known = {headed.record.chain_hash for headed in in_kafka}
        after = self.chain.position + 1
        for headed in in_kafka:
            if headed.record.position > after and headed.previous not in known:
                return f"{self.place(after)} to {headed.record.position - 1} are held by nobody: Kafka goes on at {headed.record.position}"
        return None

    def check(self, readers: Mapping[str, int]) -> None:
        """Raises HeldByNobody where anybody knows of more than was found."""
        reached = self.chain.position
        if self._gap is not None:
            raise HeldByNobody(self._gap)
        beyond = {"the ledger": self.recorded.position, **readers}
        who, position = max(beyond.items(), key=lambda each: each[1])
        if position > reached:
            raise HeldByNobody(f"{self.place(reached + 1)} to {position} are held by nobody: {who} had taken them")


async def _commits(events: AsyncIterator[Headed]) -> AsyncIterator[list[Headed]]:
    """The events of one commit have one instant, which no other commit of the shard need have."""
    commit: list[Headed] = []
    async for headed in events:
        if commit and headed.record.recorded_at != commit[-1].record.recorded_at:
            yield commit
            commit = []
        commit.append(headed)
    if commit:
        yield commit


class _Appending:
    def __init__(self, service: Service, journal: PostgresJournal, shard: int, documents: FindDocument) -> None:
        self.service = service
        self.journal = journal
        self.shard = shard
        self.find_document = documents
        self.deciders = {decider.kind: decider for decider in service.deciders}
        self.documents_kept = 0

    async def again(self, commit: list[Headed]) -> None:
        facts = [self._fact(headed.record) for headed in commit]
        documents = await self._documents(facts)
        outcomes = [self._outcome(list(records)) for _, records in groupby((fact.record for fact in facts), lambda each: each.command_id)]
        async with self.journal.append(self.shard, [outcome.command_id for outcome in outcomes]) as append:
            if append.head.chain_hash != commit[0].previous:
                raise AnotherHistory(f"{facts[0].place}: another process writes to this journal")
            await append.save(
                Changes(
                    recorded_at=datetime.fromisoformat(commit[-1].record.recorded_at),
                    facts=facts,
                    outcomes=[outcome for outcome in outcomes if outcome.command_id not in append.known],
                    documents=documents,
                    erased=[fact.event.commitment for fact in facts if isinstance(fact.event, TextErased)],
                    timers=[
                        timer_row(fact.record.stream, fact.record.version, change)
                        for fact in facts
                        for change in self._decider(fact).timers(fact.event)
                    ],
                )
            )
        self.documents_kept += len(documents)

    def _fact(self, record: Record) -> Fact:
        return Fact(self.service.name, record, self.journal.codec.decode(record.type, bytes(record.data)))

    def _decider(self, fact: Fact) -> Decider:
        return self.deciders[fact.record.stream.partition("/")[0]]

    def _outcome(self, records: list[Record]) -> Outcome:
        last = records[-1]
        return Outcome(
            shard=self.shard,
            command_id=bytes.fromhex(last.command_id),
            fingerprint=UNKNOWN_INPUT,
            first_position=records[0].position,
            events=len(records),
            stream=last.stream,
            version=last.version,
            refused=None,
        )

    async def _documents(self, facts: list[Fact]) -> list[Document]:
        """Those that the events name and the journal does not have."""
        found = []
        for fact in facts:
            for name in self.service.documents(fact.event):
                async with self.journal.pool.acquire() as connection:
                    if await read_document(connection, name) is not None:
                        continue
                if (document := await self.find_document(name)) is None or document.name != name:
                    raise HeldByNobody(f"the document {name} of {fact.place} is held by nobody")
                found.append(document)
        return found


async def _send_last(journal: PostgresJournal, kafka: KafkaCopy, shard: int, position: int) -> None:
    """So that the topic ends as the journal does, and not with a fork: the service takes no writes before. Readers pass over repeats."""
    [last] = await journal.read(shard, after=position - 1, limit=1)
    async with journal.pool.acquire() as connection:
        await kafka.send(Headed(last, await previous_hash(connection, shard, position - 1)))
