"""A journal that is restored to the past from a real backup, and recovered from what Kafka has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from reserve.operate.backup import back_up_service
from reserve.operate.copies import KafkaCopy
from reserve.operate.recover import Recovered, recover
from shared.delivery.kafka_broker import KafkaBroker
from shared.engines.postgres_tools import load_schema
from shared.journal.connection import open_pool
from shared.journal.postgres import PostgresJournal
from shared.journal.protocol import Document
from shared.process.service import Service
from tests.kernel.counter import Event, Noted, counter_service
from tests.kernel.stage import Stage, until

DERIVED = {  # every table but for cursors, and what of each cannot be known from events
    "events": "*",
    "heads": "*",
    "streams": "*",
    "outcomes": "shard, command_id, first_position, events, stream, version, recorded_at",
    "documents": "*",
    "timers": "stream, name, due, command::text, at, version",
    "counters": "*",
    "entries": "*",
}


class Case:
    """A counter with a backup of some time ago."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        named = counter_service(stage.name("counter"))
        self.service: Service = msgspec.structs.replace(named, documents=documents_of)

    def serving(self) -> Any:
        return self.stage.serving(self.service)

    async def back_up(self) -> None:
        await back_up_service(self.service.name, self.stage.database_url, self.folder)

    async def restore(self) -> None:
        name = self.service.name
        await load_schema(self.stage.database_url, name, self.folder / f"{name}.sql", keep_as=f"{name}_before")

    async def recover(self, documents: Mapping[str, Document] | None = None, taken: int = 0) -> Recovered:
        """`taken`: how far a reader has taken the shard of counter a."""

        async def find(name: str) -> Document | None:
            return (documents or {}).get(name)

        kafka = KafkaCopy(KafkaBroker(self.stage.servers.kafka), self.service.name)
        shard = await self.shard()
        async with await open_pool(self.stage.database_url, self.service.name, size=2) as pool:
            journal = PostgresJournal(self.service.name, self.service.codec, pool, self.service.project)
            return await recover(self.service, journal, kafka, None, {shard: {"a reader": taken}}, find)

    async def shard(self) -> int:
        async with self.stage.sql(self.service.name) as sql:
            shard: int = await sql.fetchval("SELECT shard FROM streams WHERE stream = 'counter/a'")
        return shard

    async def tables(self) -> dict[str, list[Any]]:
        async with self.stage.sql(self.service.name) as sql:
            return {
                table: sorted(map(tuple, await sql.fetch(f"SELECT {columns} FROM {table}")), key=repr) for table, columns in DERIVED.items()
            }

    async def carried(self) -> None:
        """Waits until all of the journal is in Kafka."""

        async def all_of_it() -> bool:
            async with self.stage.sql(self.service.name) as sql:
                return bool(await sql.fetchval("SELECT bool_and(c.position = h.position) FROM relay_cursors c JOIN heads h USING (shard)"))

        await until(all_of_it)


def documents_of(event: Event) -> tuple[str, ...]:
    return (event.document,) if isinstance(event, Noted) else ()
