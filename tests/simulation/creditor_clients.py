"""Clients at work: a creditor, who lends quickly, gives up on what is overdue, and has it bought elsewhere at the borrower's cost."""

from datetime import date

from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.state import MaterialLoan
from tests.simulation.client import Client
from tests.simulation.material_clients import go_on
from tests.simulation.two_people import give


async def replace_overdue(client: Client, until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(1.0)
        for stream in [name for name in client.world.stores["loans"].by_stream if name.startswith("material/")]:
            loan = await client.read("loans", stream)
            if not isinstance(loan, MaterialLoan) or loan.id is None:
                continue
            if loan.status in ("offered", "proposed"):
                await go_on(client, stream, loan)
            if loan.status != "lent" or not loan.overdue or not loan.out_g:
                continue
            if not loan.defaulted:
                await client.do("loans", stream, DeclareMaterialDefault(reason="no news", on=date.min))
            bought_g = client.dice.choice((loan.out_g, max(1, loan.out_g // 2)))
            replaced = RecordReplacement(bought_g=bought_g, cost_minor=bought_g * 2, source="a tender", on=date.min)
            await give(client, "loans", stream, replaced)
