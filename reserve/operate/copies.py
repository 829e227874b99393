"""Copies of a service's journal that others hold: the ledger's, and what Kafka still has. What they give is checked by who asks."""

from collections.abc import AsyncIterator

import msgspec

from reserve.client import Client, ProblemAnswer
from services.registry import JOURNALED
from shared.delivery.broker import Broker, Message
from shared.journal.messages import FEED_LIMIT, Headed, NotAnEvent, from_feed, from_message, to_headers, topic_of
from shared.journal.protocol import Document

LEDGER = "ledger"


class Recorded(msgspec.Struct, frozen=True):
    """How far a copy goes."""

    position: int


class LedgerCopy:
    """Of a service's journal; of its own the ledger has none. `client`: one that may read journals."""

    def __init__(self, client: Client, service: str) -> None:
        self.client = client
        self.service = service

    async def recorded(self) -> dict[int, Recorded]:
        found = msgspec.convert(await self.client.get(f"/{LEDGER}/v1/sources"), dict[str, Recorded])
        return {int(line.partition("/")[2]): each for line, each in found.items() if line.partition("/")[0] == self.service}

    async def lacking(self) -> str | None:
        """What to say where its tiles hold leaves of which it has no event: it was restored to the past as well."""
        try:
            await self.client.get(f"/{LEDGER}/v1/sources", whole=True)
        except ProblemAnswer as problem:
            if problem.code == "record_incomplete":
                return str(problem.document.get("detail"))
            raise
        return None

    async def after(self, shard: int, position: int) -> AsyncIterator[Headed]:
        """Its events of the shard beyond a position, in order. Raises `NotAnEvent`."""
        while page := await self._page(shard, position, FEED_LIMIT):
            for headed in page:
                yield headed
            position = page[-1].record.position

    async def chain_hash(self, shard: int, position: int) -> bytes:
        """Of the event at a position that it has recorded."""
        [headed] = await self._page(shard, position - 1, 1)
        return headed.record.chain_hash

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

    async def send(self, headed: Headed) -> None:
        """Raises `BrokerUnreachable`."""
        record = headed.record
        message = Message(record.stream.encode(), bytes(record.data), to_headers(self.service, record, headed.previous))
        async with self.broker.producer() as producer:
            await producer.send((topic_of(self.service), record.shard), [message])

    def _event(self, shard: int, message: Message) -> Headed | None:
        try:
            return from_message(message.headers, message.value, source=self.service, shard=shard)
        except NotAnEvent:
            return None


async def document_of(client: Client, name: str) -> Document | None:
    """The ledger's, who keeps what the events that it takes stand on."""
    try:
        answer = await client.request("GET", f"/{LEDGER}/v1/documents/{name}")
    except ProblemAnswer as problem:
        if problem.code == "document_not_found":
            return None
        raise
    return Document(answer.content, answer.headers["content-type"])


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
