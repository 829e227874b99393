"""Clients at work: who pauses clocks while others are waited for, and who keeps what is cleared before it is asked for."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from services.allocation.domain.clocks.clock import ConfirmPause, PauseClock, ResumeClock
from services.allocation.domain.readiness.readiness import ClearItem, Register, RenewItem, WithdrawItem
from shared.journal.protocol import Document
from tests.simulation.client import Client, Prepare
from tests.simulation.two_people import by_one

if TYPE_CHECKING:
    from tests.simulation.world import Running

OFFICER: Any = "an officer"


async def pause_clocks(client: Client, until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(1.5)
        if clocks := sorted(stream for stream in client.world.stores["allocation"].by_stream if stream.startswith("clock/")):
            stream = client.dice.choice(clocks)
            since = client.world.today() - timedelta(days=client.dice.choice((0, 0, 0, 1)))
            pause = PauseClock(reason="a permit is waited for", since=since, by=by_one(client), on=date.min)
            await client.do("allocation", stream, pause)
            await client.pause(2.5)
            if client.dice.random() < 0.5:
                await client.do("allocation", stream, ConfirmPause(by=OFFICER, accounts=frozenset({OFFICER})))
            await client.do("allocation", stream, ResumeClock(on=date.min))


async def keep_ready(client: Client, products: Sequence[Any], partners: Sequence[Any], until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(2.5)
        product, partner = client.dice.choice(products), client.dice.choice(partners)
        stream = f"readiness/agr_{partner}.{product}"
        register = await client.read("allocation", stream)
        items = sorted(register.items) if isinstance(register, Register) else []
        if len(items) < 2:
            await client.do("allocation", stream, _cleared(client, product, partner))
        elif client.dice.random() < 0.2:
            await client.do("allocation", stream, WithdrawItem(item=client.dice.choice(items), reason="sold"))
        else:
            await client.do("allocation", stream, _renewed(client, client.dice.choice(items)))


def _cleared(client: Client, product: Any, partner: Any) -> ClearItem:
    return ClearItem(
        agreement=f"agr_{partner}",  # type: ignore[arg-type]
        product=product,
        partner=partner,
        item=client.new_id("rdy"),
        kind=client.dice.choice(("carrier", "permit")),
        name=client.dice.choice(("the first", "the second", "the third")),
        evidence="a certificate",
        by=OFFICER,
        until=_until(client),
        warn_days=1,
        on=date.min,
    )


def _renewed(client: Client, item: Any) -> Prepare:
    """Sometimes as of yesterday, and until then: midnight has passed since the request was read."""
    late, days = client.dice.random() < 0.4, client.dice.choice((None, 0, 1, 2, 3))

    async def renew(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        today = on - timedelta(days=1) if late else on
        until = today if late else None if days is None else on + timedelta(days=days)
        return RenewItem(item=item, evidence="a letter", by=OFFICER, until=until, warn_days=1, on=today), ()

    return renew


def _until(client: Client) -> date | None:
    days = client.dice.choice((None, 0, 1, 2, 3))
    return None if days is None else client.world.today() + timedelta(days=days)
