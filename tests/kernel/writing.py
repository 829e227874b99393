"""What tests of the writer share."""

from shared.process.service import Service
from shared.writer.writer import Writer
from tests.kernel.counter import Add
from tests.kernel.stage import Stage


def add(counter: str = "a", amount: int = 1, times: int = 1) -> Add:
    return Add(counter=counter, amount=amount, times=times)


async def count(stage: Stage, service: Service, table: str = "events") -> int:
    async with stage.sql(service.name) as sql:
        number: int = await sql.fetchval(f"SELECT count(*) FROM {table}")
        return number


async def two_shards(writer: Writer) -> tuple[str, str]:
    """Two streams in different shards."""
    streams = {await writer._place(f"counter/{name}"): f"counter/{name}" for name in "abcdefghijklmnop"}
    first, other, *_ = streams.values()
    return first, other


async def blocked(stage: Stage) -> bool:
    async with stage.sql() as sql:
        return bool(await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
