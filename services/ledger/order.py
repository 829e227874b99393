"""Order: a ledger restored to the past takes again what its tiles hold, in the order in which they hold it, before anything new.

In which order it took the events of several lines stands nowhere else. But a leaf is the hash of one event at its place, so one of the
lines has that event next; the others wait.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from services.ledger.log import Log
from services.ledger.tiles import TILE_WIDTH, TileStore, tile_at
from shared.delivery.inbox import Subscription
from shared.delivery.lines import Stopped
from shared.delivery.sources import Sources, Unanswered, WrongDocument
from shared.journal.connection import reachable
from shared.journal.messages import Headed, NotAnEvent, from_feed
from shared.journal.protocol import Cursor, InboxLead
from shared.journal.record import Fact, leaf_data
from shared.process.service import Kernel
from shared.proofs.merkle import HASH_BYTES, hash_leaf

logger = structlog.get_logger()

AT_ONCE = 500  # events that are asked for, and taken, at once
LOOK_AGAIN_SECONDS = 1.0


async def take_again(kernel: Kernel, lead: InboxLead) -> None:
    """Until there are as many entries as the tiles hold leaves. Waits for what no source has yet."""
    log: Log = kernel.part(Log)
    shift = (await log.logs()).shift
    held = await asyncio.to_thread(log.store.held_size)
    with reachable():
        size = await kernel.pool.fetchval("SELECT size FROM log_head") - shift
    if size >= held:
        return
    try:
        await _take_again(kernel, lead, log.store, size, held)
    finally:
        kernel.inbox.waits = None


async def _take_again(kernel: Kernel, lead: InboxLead, store: TileStore, size: int, held: int) -> None:
    logger.warning("log_taken_again", entries=size, held=held)
    cursors = await lead.cursors()
    lines = [
        _Line(kernel.sources, subscription, shard, cursors.get((subscription.source, shard), (Cursor(), frozenset()))[0])
        for subscription in kernel.service.subscriptions
        for shard in range(kernel.settings.shards)
    ]
    while size < held:
        kernel.inbox.waits = f"what the log's tiles hold is taken again: {size} of {held} leaves"
        if (line := await _next(lines, _leaf_hash(store, held, size))) is None:
            lost = f"no service has the event of leaf {size}, which the log's tiles hold"
            kernel.inbox.waits = f"{lost}: recover the service that lost it (reserve journal recover NAME)"
            for each in lines:
                each.ahead.clear()  # whatever a source showed, it may have been recovered since
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            continue
        count = 1
        while size + count < held and line.has(count, _leaf_hash(store, held, size + count)):
            count += 1
        await line.take(lead, count)
        size += count
    logger.warning("log_is_whole_again", entries=size)


def _leaf_hash(store: TileStore, held: int, index: int) -> bytes:
    within = index % TILE_WIDTH * HASH_BYTES
    return store.require(tile_at(held, 0, index // TILE_WIDTH))[within : within + HASH_BYTES]


async def _next(lines: Sequence["_Line"], leaf_hash: bytes) -> "_Line | None":
    """The line whose next event is this leaf. Those of which nothing is known are asked only if it is none of the others'."""
    for line in lines:
        if line.has(0, leaf_hash):
            return line
    await asyncio.gather(*(line.look() for line in lines if not line.ahead))
    return next((line for line in lines if line.has(0, leaf_hash)), None)


class _Line:
    """A shard of a source, and what it has beyond the cursor."""

    def __init__(self, sources: Sources, subscription: Subscription, shard: int, cursor: Cursor) -> None:
        self._sources = sources
        self._subscription = subscription
        self._shard = shard
        self._cursor = cursor
        self.ahead: deque[tuple[bytes, Headed, Fact]] = deque()  # with the hash of the leaf that the event is

    def has(self, number: int, leaf_hash: bytes) -> bool:
        return number < len(self.ahead) and self.ahead[number][0] == leaf_hash

    async def look(self) -> None:
        """Asks the source for more. One that does not answer, or has another history than was taken, has none."""
        source, previous = self._subscription.source, self._cursor.chain_hash
        try:
            found = from_feed(await self._sources.feed(source, self._shard, after=self._cursor.position, limit=AT_ONCE))
            for headed in found:
                if headed.previous != previous:
                    raise NotAnEvent(f"{source}/{self._shard}/{headed.record.position} does not follow the event taken before it")
                fact = await self._subscription.with_documents(self._subscription.decode(headed.record), self._sources)
                record, previous = headed.record, headed.record.chain_hash
                self.ahead.append((hash_leaf(leaf_data(record.salt, fact.place, record.event_hash)), headed, fact))
        except (Unanswered, NotAnEvent, Stopped, WrongDocument) as error:
            logger.info("source_has_nothing_to_take_again", source=source, shard=self._shard, error=repr(error))

    async def take(self, lead: InboxLead, count: int) -> None:
        """The next so many events, as the inbox takes them."""
        taken = [self.ahead.popleft() for _ in range(count)]
        last = taken[-1][1].record
        moved = Cursor(last.position, last.chain_hash, self._cursor.kafka_offset)
        await lead.move(self._subscription.source, self._shard, since=self._cursor.position, to=moved, facts=[fact for _, _, fact in taken])
        self._cursor = moved
