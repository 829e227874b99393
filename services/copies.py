"""Copies of a service's journal that others hold: the ledger's, and what Kafka still has. What they give is checked by who asks."""

from collections.abc import AsyncIterator

import msgspec

from services.client import Client, ProblemAnswer
from services.registry import JOURNALED
from shared.broker import Broker, Message
from shared.journal import Document
from shared.messages import FEED_LIMIT, Headed, NotAnEvent, from_feed, from_message, topic_of

LEDGER = "ledger"


class Recorded(msgspec.Struct, frozen=True):
    """How far a copy goes. `chain_hash`: hex; None: it does not say."""

    position: int
    chain_hash: str | None = None


class LedgerCopy:
    """`client`: one that may read journals. It holds every service's journal but the ledger's own."""

    def __init__(self, client: Client, service: str) -> None:
        self.client = client
        self.service = service

    async def recorded(self) -> dict[int, Recorded]:
        if self.service == LEDGER:
            return {}
        found = msgspec.convert(await self.client.get(f"/{LEDGER}/v1/sources"), dict[str, Recorded])
        return {int(line.partition("/")[2]): each for line, each in found.items() if line.partition("/")[0] == self.service}

    async def after(self, shard: int, position: int) -> AsyncIterator[Headed]:
        """Its events of the shard beyond a position, in order. Raises `NotAnEvent`."""
        while page := await self._page(shard, position, FEED_LIMIT):
            for headed in page:
                yield headed
            position = page[-1].record.position

    async def at(self, shard: int, position: int) -> Headed | None:
        page = await self._page(shard, position - 1, 1)
        return page[0] if page else None

    async def document(self, name: str) -> Document | None:
        """That of any journal that the ledger has taken."""
        try:
            answer = await self.client.request("GET", f"/{LEDGER}/v1/documents/{name}")
        except ProblemAnswer as problem:
            if problem.code == "document_not_found":
                return None
            raise
        return Document(answer.content, answer.headers["content-type"])

    async def _page(self, shard: int, after: int, limit: int) -> list[Headed]:
        answer = await self.client.request(
            "GET", f"/{LEDGER}/v1/sources/{self.service}/{shard}/journal", query={"after": after, "limit": limit}
        )
        return from_feed(answer.content)


class KafkaCopy:
    """What is in the service's topic: repeats, perhaps gaps, and perhaps a fork's events among the others'."""

    def __init__(self, broker: Broker, service: str) -> None:
        self.broker = broker
        self.service = service

    async def last(self, shard: int) -> Headed | None:
        """What was sent last, if it is an event. Raises `BrokerUnreachable`."""
        message = await self.broker.last((topic_of(self.service), shard))
        return None if message is None else self._event(shard, message)

    async def beyond(self, shard: int, position: int) -> list[Headed]:
        """Its events beyond a position, the first sent first. Raises `BrokerUnreachable`."""
        partition = (topic_of(self.service), shard)
        last = await self.broker.last(partition)
        if last is None:
            return []
        found: list[Headed] = []
        offset = -1
        async with self.broker.consumer({partition: -1}) as consumer:
            while offset < last.offset:
                for message in (await consumer.poll([partition])).get(partition, ()):
                    offset = message.offset
                    headed = self._event(shard, message)
                    if headed is not None and headed.record.position > position:
                        found.append(headed)
        return found

    def _event(self, shard: int, message: Message) -> Headed | None:
        try:
            return from_message(message.headers, message.value, source=self.service, shard=shard)
        except NotAnEvent:
            return None


async def taken_by_readers(client: Client, service: str) -> dict[int, dict[str, int]]:
    """Of each shard: {reader: how far it has taken it}."""
    taken: dict[int, dict[str, int]] = {}
    for reader in JOURNALED:
        if reader == service:
            continue
        for line, state in (await client.get(f"/{reader}/v1/inbox")).items():
            source, _, shard = line.partition("/")
            if source == service:
                taken.setdefault(int(shard), {})[reader] = state["position"]
    return taken
