"""Copies: what others hold of a service's journal. A service that starts takes no writes until it has as much as they: else it was restored
to the past, and would write another history. So it does where its own heads are not those of its last events."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from shared.delivery.broker import BrokerUnreachable
from shared.delivery.sources import Unanswered
from shared.journal.messages import Headed, NotAnEvent, checked, from_message, topic_of
from shared.journal.postgres import previous_hash
from shared.journal.protocol import Head, Unreachable
from shared.journal.record import GENESIS, Record
from shared.process.service import Kernel
from shared.writer.commands import Refusal

log = structlog.get_logger()

KAFKA_PATIENCE_SECONDS = 30.0  # how long a service that starts waits for a Kafka that hangs; one that is away says so at once
_ASKING = (Refusal.WAITING_FOR_COPIES, Refusal.BEHIND_COPIES)


async def compare_and_carry(kernel: Kernel) -> None:
    """The relay waits: were it to repeat old events first, what is last in Kafka would say nothing any more."""
    await compare_with_copies(kernel)
    await kernel.relay.run()


async def compare_with_copies(kernel: Kernel) -> None:
    """Refuses writes until what is recorded of the journal, and what is last in Kafka, are no further than it."""
    if not kernel.settings.require_ledger_at_start or kernel.writer.refusing is not None:
        return
    writer, recorder = kernel.writer, kernel.service.recorded_by
    writer.refuse(Refusal.WAITING_FOR_COPIES, "waiting for what others hold of this journal")
    while writer.refusing_for in _ASKING:
        try:
            behind = await (_behind_kafka(kernel) if recorder is None else _behind_record(kernel, recorder))
        except (Unanswered, BrokerUnreachable, Unreachable) as error:
            log.info("copies_not_asked_yet", error=repr(error))
            await asyncio.sleep(0.2)
            continue
        if writer.refusing_for not in _ASKING:
            return  # it refuses for another reason by now
        if not behind:
            writer.accept()
            return
        writer.refuse(Refusal.BEHIND_COPIES, f"recover before writing: {'; '.join(behind)}")
        log.error("journal_behind_its_copies", lines=behind)
        await asyncio.sleep(5)


async def refuse_altered_heads(kernel: Kernel) -> None:
    """A head that is not that of its shard's last event was changed behind the journal's back: what is written after it would be another
    history for every reader, so nothing is."""
    altered = []
    for shard, (head, _) in (await kernel.journal.heads()).items():
        records = await kernel.journal.read(shard, after=max(0, head.position - 2), limit=3)
        if fault := _fault_of(head, records):
            altered.append(f"the head of {kernel.service.name}/{shard} is at {head.position}, and {fault}")
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


class _Recorded(msgspec.Struct, frozen=True):
    position: int
    chain_hash: str


async def _behind_record(kernel: Kernel, recorder: str) -> list[str]:
    """The recorder's record counts; Kafka's besides, if it can be asked: writes go on without it."""
    answer = await kernel.sources.get(recorder, "/v1/sources", whole="true")
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
    return [] if own == chain_hash else [f"{line}/{position} has another hash than in the copy of {who}: {own}, not {chain_hash}"]
