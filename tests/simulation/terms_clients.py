"""Clients at work: a desk that lets agreements run out under which rounding is still owed."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from services.allocation.domain.book.state import Book
from services.allocation.domain.partners.agreement import AmendAgreement
from services.allocation.events import ProductTerms
from tests.simulation.client import Client
from tests.simulation.tables import UNIT_G
from tests.simulation.two_people import by_two


async def let_run_out(client: Client, products: Sequence[Any], until_s: float) -> None:
    """In the last third of the time: nothing is given under them any more."""
    while client.world.loop.time() < until_s:
        await client.pause(2.0)
        if client.world.loop.time() < until_s * 2 / 3:
            continue
        book = await client.read("allocation", f"book/{client.dice.choice(products)}")
        for agreement, carry in sorted(book.carries.items()) if isinstance(book, Book) else ():
            if carry.expires_on is not None and carry.expires_on > date(2026, 12, 31):
                amended = AmendAgreement(
                    products=tuple(ProductTerms(product=each, yearly_quota_g=9_000 * UNIT_G, share="1/3") for each in products),
                    priority_class=0,
                    valid_until=client.world.today() + timedelta(days=1),
                    reason="it is not renewed",
                    on=date.min,
                )
                await by_two(client, f"allocation/agreement/{agreement}", amended)
