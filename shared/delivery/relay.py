"""Relay: carries the journal to the broker, in order. It repeats after a crash, and never skips.

One process leads. It hears of news from every process that appends, and looks from time to time.
"""

import asyncio

import structlog

from shared.delivery.broker import Broker, BrokerUnreachable, Message, Producer
from shared.delivery.pace import Pace
from shared.journal.messages import to_headers, topic_of
from shared.journal.protocol import Cursor, Journal, LostLead, RelayLead, Unreachable

log = structlog.get_logger()

BATCH = 1000  # events
POLL_SECONDS = 0.5
CARRY_EVERY_SECONDS = 0.02  # under load, what so long a time brings goes as one
MANY, MANY_EVERY_SECONDS = 50, 0.1  # where so many go at once, readers are spared, who have as many turns: unless a backlog waits


class Relay:
    def __init__(self, journal: Journal, broker: Broker) -> None:
        self.journal = journal
        self.broker = broker
        self.leading = False

    async def run(self) -> None:
        """Leads when it can; whatever breaks, it starts again from the saved cursor."""
        while True:
            try:
                async with self.journal.lead("relay") as lead:
                    if lead is not None:
                        await self._lead(lead)
            except (LostLead, BrokerUnreachable, Unreachable) as error:
                log.warning("relay_restarts", error=repr(error))
            await asyncio.sleep(POLL_SECONDS)

    async def _lead(self, lead: RelayLead) -> None:
        async with self.broker.producer() as producer:
            self.leading = True
            try:
                cursors = await lead.cursors()
                pace = Pace(CARRY_EVERY_SECONDS)
                while True:
                    await pace.turn()
                    carried = await self._carry_all(lead, producer, cursors)
                    if MANY <= carried < BATCH:
                        pace.slow_down(MANY_EVERY_SECONDS)
                    elif not carried:
                        await lead.news(POLL_SECONDS)
            finally:
                self.leading = False

    async def _carry_all(self, lead: RelayLead, producer: Producer, cursors: dict[int, Cursor]) -> int:
        """All shards that have news at once, since what goes to one broker goes as one. How many events went."""
        before = sum(cursor.position for cursor in cursors.values())
        ahead = await lead.ahead(cursors)
        carried = await asyncio.gather(*(self._carry(lead, producer, shard, cursors) for shard in ahead), return_exceptions=True)
        for error in carried:
            if error is not None:
                raise error
        return sum(cursor.position for cursor in cursors.values()) - before

    async def _carry(self, lead: RelayLead, producer: Producer, shard: int, cursors: dict[int, Cursor]) -> None:
        """Sends the next records of a shard, waits for the acknowledgements, and saves the cursor."""
        service, cursor = self.journal.service, cursors[shard]
        records = await self.journal.read(shard, after=cursor.position, limit=BATCH)
        if not records:
            return
        previous, messages = cursor.chain_hash, []
        for record in records:
            messages.append(Message(record.stream.encode(), bytes(record.data), to_headers(service, record, previous)))
            previous = record.chain_hash
        await producer.send((topic_of(service), shard), messages)
        await lead.move(shard, since=cursor.position, to=records[-1].position)
        cursors[shard] = Cursor(records[-1].position, previous)
