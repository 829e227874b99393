"""Copies: what others hold of a service's journal. A service that starts takes no writes until it has as much as they: else it was restored
to the past, and would write another history. So it does where its own heads are not those of its last events, or where a cursor is beyond
what it counts."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from shared.delivery.broker import BrokerUnreachable
from shared.delivery.lines import differs
from shared.delivery.sources import Unanswered
from shared.journal.connection import reachable
from shared.journal.messages import Headed, NotAnEvent, checked, from_message, topic_of
from shared.journal.postgres import previous_hash
from shared.journal.protocol import Head, Unreachable
from shared.journal.record import GENESIS, Record
from shared.process.reach import reports_reach, say_what_was_not_sent, watch_reach
from shared.process.service import Kernel
from shared.writer.commands import Refusal

log = structlog.get_logger()

KAFKA_PATIENCE_SECONDS = 30.0  # how long a service that starts waits for a Kafka that hangs; one that is away says so at once
ASK_AGAIN_SECONDS = 1.0  # a source that did not answer, or whose journal is not what was taken of it


async def compare_and_carry(kernel: Kernel) -> None:
    """The relay waits: were it to repeat old events first, what is last in Kafka would say nothing any more."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(compare_cursors(kernel))
        await compare_with_copies(kernel)
        if reports_reach(kernel):
            tasks.create_task(watch_reach(await say_what_was_not_sent(kernel)))
        await kernel.relay.run()


async def compare_with_copies(kernel: Kernel) -> None:
    """Refuses writes until what is recorded of the journal, and what is last in Kafka, are no further than it."""
    if not kernel.settings.require_ledger_at_start or Refusal.NOT_THIS_JOURNAL in kernel.writer.refusals:
        return
    writer, recorder = kernel.writer, kernel.service.recorded_by
    writer.refuse(Refusal.WAITING_FOR_COPIES, "waiting for what others hold of this journal")
    while True:
        try:
            behind = await (_behind_kafka(kernel) if recorder is None else _behind_record(kernel, recorder))
        except (Unanswered, BrokerUnreachable, Unreachable) as error:
            log.info("copies_not_asked_yet", error=repr(error))
            await asyncio.sleep(0.2)
            continue
        if not behind:
            writer.accept(Refusal.WAITING_FOR_COPIES, Refusal.BEHIND_COPIES)
            return
        writer.refuse(Refusal.BEHIND_COPIES, f"recover before writing (reserve journal recover {kernel.service.name}): {'; '.join(behind)}")
        writer.accept(Refusal.WAITING_FOR_COPIES)
        log.error("journal_behind_its_copies", lines=behind)
        await asyncio.sleep(5)


async def compare_cursors(kernel: Kernel) -> None:
    """Refuses writes while a source's journal does not go as far as was taken of it, or has another hash there: either the cursor was
    changed behind the service's back, or the source was restored to the past. A source that does not answer is asked again, and holds up no
    write: its line takes nothing that does not follow the cursor."""
    if not kernel.service.subscriptions:
        return
    writer = kernel.writer
    while True:
        try:
            altered, unanswered = await _altered_cursors(kernel)
        except Unreachable as error:
            log.info("cursors_not_compared_yet", error=repr(error))
            altered, unanswered = [], True
        if altered:
            writer.refuse(Refusal.CURSOR_ALTERED, "; ".join(altered))
            log.error("cursors_altered", lines=altered)
        else:
            writer.accept(Refusal.CURSOR_ALTERED)
            if not unanswered:
                return
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _altered_cursors(kernel: Kernel) -> tuple[list[str], bool]:
    """What to say of those that are not their source's, and whether a source did not answer. Raises `Unreachable`."""
    with reachable():
        rows = await kernel.pool.fetch("SELECT source, shard, position, chain_hash FROM inbox_cursors WHERE position > 0 ORDER BY 1, 2")
    answers = await asyncio.gather(
        *(kernel.sources.head(row["source"], row["shard"], at=row["position"]) for row in rows), return_exceptions=True
    )
    altered, unanswered = [], False
    for (source, shard, position, taken), answer in zip(rows, answers, strict=True):
        if isinstance(answer, Unanswered):
            unanswered = True
        elif isinstance(answer, BaseException):
            raise answer
        elif answer[1] is None:
            altered.append(f"{kernel.service.name} has taken {source}/{shard} up to {position}, and it ends at {answer[0]}")
        elif answer[1] != taken:
            place = str(kernel.journal.histories.place(source, shard, position))
            altered.append(f"{kernel.service.name}: {differs(place, answer[1], taken)}")
    return altered, unanswered


async def refuse_altered_heads(kernel: Kernel) -> None:
    """A head that is not that of its shard's last event was changed behind the journal's back: what is written after it would be another
    history for every reader, so nothing is. Nor where the relay says that it has sent more than there is."""
    altered, name = [], kernel.service.name
    heads = await kernel.journal.heads()
    for shard, (head, _) in heads.items():
        records = await kernel.journal.read(shard, after=max(0, head.position - 2), limit=3)
        if fault := _fault_of(head, records):
            altered.append(f"the head of {name}/{shard} is at {head.position}, and {fault}")
    for shard, sent in await kernel.pool.fetch("SELECT shard, position FROM relay_cursors ORDER BY shard"):
        if sent > (end := heads[shard][0].position):
            altered.append(f"{name}/{shard} was sent up to {sent}, and its head is at {end}")
    if altered:
        kernel.writer.refuse(Refusal.NOT_THIS_JOURNAL, "; ".join(altered))
        log.critical("heads_altered", lines=altered)


def _fault_of(head: Head, records: Sequence[Record]) -> str | None:
    """`records`: the last two up to the head, and what comes after it."""
    if (last := records[-1].position if records else 0) != head.position:
        return f"the last event is {last}"
    if not records:
        return None if head.chain_hash == GENESIS else "there is no event"
    last_two = Headed(records[-1], records[-2].chain_hash if len(records) > 1 else GENESIS)
    try:
        there = checked(last_two).record.chain_hash
    except NotAnEvent as error:
        return str(error)
    return None if there == head.chain_hash else f"{there.hex()} is the hash there, not {head.chain_hash.hex()}"


class _Taken(msgspec.Struct, frozen=True):
    position: int


class _Recorded(msgspec.Struct, frozen=True):
    position: int
    chain_hash: str


async def _behind_record(kernel: Kernel, recorder: str) -> list[str]:
    """The recorder's record counts; Kafka's besides, if it can be asked: writes go on without it. A recorder that does not answer is waited
    for, unless Kafka has more already."""
    try:
        answer = await kernel.sources.get(recorder, "/v1/sources", whole="true")
    except Unanswered:
        if behind := await _behind_kafka(kernel):
            return behind
        raise
    recorded = msgspec.json.decode(answer or b"{}", type=dict[str, _Recorded])
    try:
        async with asyncio.timeout(KAFKA_PATIENCE_SECONDS):
            behind = await _behind_kafka(kernel)
    except (BrokerUnreachable, TimeoutError) as error:
        log.warning("written_without_a_look_at_kafka", error=repr(error))
        behind = []
    for shard, (head, _) in (await kernel.journal.heads()).items():
        if (theirs := recorded.get(f"{kernel.service.name}/{shard}")) is not None:
            behind += await _lacks(kernel, shard, head.position, theirs.position, theirs.chain_hash, f"the {recorder}")
    return behind


async def _behind_kafka(kernel: Kernel) -> list[str]:
    found = await asyncio.gather(*(_last_in_kafka(kernel, shard) for shard in range(kernel.settings.shards)))
    behind = []
    for shard, (head, _) in (await kernel.journal.heads()).items():  # read after Kafka: the relay sends what is committed
        if (last := found[shard]) is not None:
            behind += await _lacks(kernel, shard, head.position, last.position, last.chain_hash.hex(), "Kafka")
    if kernel.service.recorded_by is None and not any(found):
        behind += await _behind_readers(kernel)
    return behind


async def _behind_readers(kernel: Kernel) -> list[str]:
    """Of who has no recorder, where Kafka has nothing to tell: what others have taken. Raises `Unanswered`."""
    behind = []
    heads = await kernel.journal.heads()
    for reader in sorted(kernel.settings.service_urls.keys() - {kernel.service.name}):
        taken = msgspec.json.decode(await kernel.sources.get(reader, "/v1/inbox") or b"{}", type=dict[str, _Taken])
        for shard, (head, _) in heads.items():
            if (line := taken.get(f"{kernel.service.name}/{shard}")) is not None and line.position > head.position:
                behind.append(f"{kernel.service.name}/{shard} ends at {head.position}, and {reader} has taken it up to {line.position}")
    return behind


async def _last_in_kafka(kernel: Kernel, shard: int) -> Record | None:
    name = kernel.service.name
    message = await kernel.broker.last((topic_of(name), shard))
    try:
        return None if message is None else from_message(message.headers, message.value, source=name, shard=shard).record
    except NotAnEvent:
        return None


async def _lacks(kernel: Kernel, shard: int, end: int, position: int, chain_hash: str, who: str) -> list[str]:
    """What to say where the journal lacks, or has otherwise, what others hold."""
    line = f"{kernel.service.name}/{shard}"
    if position > end:
        return [f"{line} ends at {end}, and {who} has it up to {position}"]
    async with kernel.pool.acquire() as connection:
        own = (await previous_hash(connection, shard, position)).hex()
    place = kernel.journal.histories.place(kernel.service.name, shard, position)
    return [] if own == chain_hash else [f"{place} has another hash than in the copy of {who}: {own}, not {chain_hash}"]
