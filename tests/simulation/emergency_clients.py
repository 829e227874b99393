"""Clients at work: a person who ratifies what others decided in an emergency: in time, late, or never."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from services.allocation.domain.book.emergency import RatifyRound
from services.allocation.domain.book.state import RATIFICATION
from shared.journal.protocol import Document
from shared.terms.approval import approve
from tests.simulation.client import Client
from tests.simulation.clients import Approver, read_book, signing_of

if TYPE_CHECKING:
    from tests.simulation.world import Running


async def ratify(client: Client, products: Sequence[Any], person: Approver, until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(1.5)
        product = client.dice.choice(products)
        book = await read_book(client, product)
        for round_id, emergency in sorted(book.emergencies.items()) if book is not None else ():
            if client.dice.random() < 0.6:
                continue
            signed = approve(emergency.document, person.key, approver=person.subject, purpose=RATIFICATION)

            async def command(
                process: "Running", on: date, round_id: Any = round_id, signed: Any = signed
            ) -> tuple[Any, tuple[Document, ...]]:
                return RatifyRound(round=round_id, signing=signing_of(client, signed, person, on), companies=()), ()

            await client.do("allocation", f"book/{product}", command)
