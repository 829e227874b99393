"""SimBroker: `shared.delivery.broker.Broker` in memory. It does to messages what Kafka may do to them, and worse."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from shared.delivery.broker import BrokerUnreachable, Message, Partition
from tests.simulation.chance import Fault
from tests.simulation.process import Process

POLL_SECONDS = 0.5
FETCHED = 30  # messages of a partition that one poll brings at most


class Topics:
    """What the brokers hold, for all processes; and every event that they ever held."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.counts = dict(partitions)
        self.held: dict[Partition, list[Message]] = {(topic, number): [] for topic, count in partitions.items() for number in range(count)}
        self.longest = dict.fromkeys(self.held, 0)  # beyond it no reader waits
        self.ever: list[Message] = []
        self.down = False
        self._waiting: dict[asyncio.Future[None], Collection[Partition]] = {}

    def add(self, partition: Partition, messages: Sequence[Message], *, event: bool = True) -> None:
        """`event`: that a relay has sent."""
        held = self.held[partition]
        for message in messages:
            held.append(Message(message.key, message.value, message.headers, len(held)))
            if event:
                self.ever.append(held[-1])
        self.longest[partition] = max(self.longest[partition], len(held))
        for waiter, partitions in self._waiting.items():
            if partition in partitions and not waiter.done():
                waiter.set_result(None)

    def lose_tail(self, key: Partition, count: int) -> None:
        """As a broker does that became leader without the last messages: acknowledged ones are gone, their offsets are used again."""
        held = self.held[key]
        del held[max(0, len(held) - count) :]

    async def news(self, partitions: Collection[Partition]) -> None:
        """Something was added to one of them."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = partitions
        try:
            await waiter
        finally:
            del self._waiting[waiter]


class SimBroker:
    """One process's way to the topics."""

    def __init__(self, topics: Topics, process: Process) -> None:
        self.topics = topics
        self.process = process

    @asynccontextmanager
    async def producer(self) -> AsyncIterator["SimProducer"]:
        await self._out("produces")
        yield SimProducer(self.topics, self.process)

    @asynccontextmanager
    async def consumer(self, offsets: Mapping[Partition, int]) -> AsyncIterator["SimConsumer"]:
        await self._out("consumes")
        yield SimConsumer(self.topics, self.process, offsets)

    async def partitions(self, topic: str) -> list[int]:
        await self._out(f"partitions {topic}")
        return list(range(self.topics.counts[topic]))

    async def last(self, partition: Partition) -> Message | None:
        await self._out(f"last of {_name(partition)}")
        held = self.topics.held[partition]
        return held[-1] if held else None

    async def _out(self, what: str) -> None:
        await self.process.out(what)
        if self.topics.down:
            raise BrokerUnreachable("the brokers are down")


class SimProducer:
    def __init__(self, topics: Topics, process: Process) -> None:
        self.topics = topics
        self.process = process
        self.chance = process.chance

    async def send(self, partition: Partition, messages: Sequence[Message]) -> None:
        await self.process.out(f"sends {len(messages)} to {_name(partition)}")
        if self.topics.down:
            raise BrokerUnreachable("the brokers are down")
        dice = self.chance.random
        if self.chance.happens(self.chance.rates.send_fails):
            self._fail(partition, messages)
        if len(messages) > 1 and dice.random() < 0.3:  # another producer may come between
            cut = dice.randrange(1, len(messages))
            self.topics.add(partition, messages[:cut])
            await self.process.back("sends in part")
            self.topics.add(partition, messages[cut:])
        else:
            self.topics.add(partition, messages)
        if self.chance.happens(self.chance.rates.send_doubles):
            self.process.fault(Fault.SENT_TWICE)
            self.topics.add(partition, messages[dice.randrange(len(messages)) :])
        await self.process.back("sends")

    def _fail(self, partition: Partition, messages: Sequence[Message]) -> None:
        """None, some or all of it got there, now or later."""
        dice = self.chance.random
        arrived = messages[: dice.choice((0, dice.randrange(len(messages) + 1), len(messages)))]
        if arrived and self.chance.happens(self.chance.rates.send_delays):
            self.process.fault(Fault.SEND_LATE, f"{len(arrived)} of {len(messages)}")
            asyncio.get_running_loop().call_later(dice.uniform(0.0, 3.0), self.topics.add, partition, arrived)
        else:
            self.process.fault(Fault.SEND_FAILS, f"{len(arrived)} of {len(messages)} arrive")
            self.topics.add(partition, arrived)
        raise BrokerUnreachable("no acknowledgement came")


class SimConsumer:
    def __init__(self, topics: Topics, process: Process, offsets: Mapping[Partition, int]) -> None:
        self.topics = topics
        self.process = process
        self.chance = process.chance
        self.next: dict[Partition, int] = {key: self._start(key, offset) for key, offset in offsets.items()}

    def _start(self, key: Partition, offset: int) -> int:
        return offset if 0 <= offset <= len(self.topics.held[key]) else 0

    async def poll(self, partitions: Collection[Partition]) -> dict[Partition, list[Message]]:
        partitions = frozenset(partitions)
        await self.process.back("polls")
        if self.topics.down:
            raise BrokerUnreachable("the brokers are down")
        if not (found := self._fetch(partitions)):
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self.topics.news(partitions)
            except TimeoutError:
                return {}
            await self.process.back("polls")
            found = self._fetch(partitions)
        if found:
            self.process.note("fetches " + " ".join(f"{_name(key)} {batch[0].offset}+{len(batch)}" for key, batch in found.items()))
        return found

    def _fetch(self, partitions: Collection[Partition]) -> dict[Partition, list[Message]]:
        chance, dice = self.chance, self.chance.random
        found: dict[Partition, list[Message]] = {}
        keys = [key for key in self.next if key in partitions]
        if chance.rates.poll_holds:
            dice.shuffle(keys)
        for key in keys:
            held = self.topics.held[key]
            if (offset := self.next[key]) > len(held):
                offset = 0  # out of range: from the earliest
            rate = chance.rates.poll_repeats if offset < len(held) else chance.rates.poll_repeats / 20  # without news, seldom
            if offset and chance.happens(rate):
                offset = max(0, offset - dice.randrange(1, 6))
                chance.fault(Fault.REPEATED, self.process.name, f"from {_name(key)} {offset}")
            batch = held[offset : offset + dice.randrange(1, FETCHED)]
            if batch and chance.happens(chance.rates.poll_holds):
                chance.fault(Fault.HELD_BACK, self.process.name, _name(key))
            elif batch:
                found[key] = batch
                self.next[key] = batch[-1].offset + 1
        return found


def _name(partition: Partition) -> str:
    return f"{partition[0]}/{partition[1]}"
