"""Clients at work: an administrator gives power to those who approve, takes it back, and gives it anew."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from services.allocation.domain.authority.instrument import EndInstrument, RegisterInstrument
from services.allocation.events.authority import Power
from shared.terms.authority import Capacity, Kind
from tests.simulation.client import Client
from tests.stories.barring import barring
from tests.stories.endorsing import CEREMONY

if TYPE_CHECKING:
    from tests.simulation.clients import Approver

ROOT: Any = "ins_act"
OFFICER = "officer"  # of the facility: approves loans, holdings and material loans
KEEPER = "keeper"  # of the stock: lifts holds, opens what is protected, takes releases back


async def empower(client: Client, approvers: Sequence["Approver"]) -> None:
    for _ in range(3):  # whoever was impatient asks again: without the Act, nothing is decided in the whole run
        await client.do("allocation", f"instrument/{ROOT}", _instrument(ROOT, None, "minister", ()))
        if await client.until(lambda: ROOT in client.allocation.instruments, 5.0):
            break
    for holder in (*(approver.subject for approver in approvers), KEEPER, OFFICER):
        await delegate(client, holder)


def capacity(client: Client, who: str = KEEPER) -> Capacity:
    """In which they act now: none before they were given any."""
    return Capacity(by=who, on=client.world.today(), held=client.allocation.held_by(who))


async def delegate(client: Client, holder: Any) -> None:
    instrument = client.new_id("ins")
    if not (above := await client.until(lambda: client.allocation.chains([ROOT]).get(ROOT))):
        return  # the Act was never heard of: such a run decides nothing
    await client.do("allocation", f"instrument/{instrument}", _instrument(instrument, ROOT, holder, above))


async def replace_authority(client: Client, products: Sequence[Any], approvers: Sequence["Approver"]) -> None:
    """Approvals under what has ended lapse; the same person approves again under what is new."""
    holder = approvers[-1].subject
    for chain in client.allocation.held_by(holder):
        end = EndInstrument(
            products=tuple(products), reason="another office", on=date.min, barring=barring(client.new_id("sub"), at=client.world.now())
        )
        await client.do("allocation", f"instrument/{chain[0].id}", end)
    if ROOT in client.allocation.instruments:
        await delegate(client, holder)


def _instrument(instrument: Any, under: Any, holder: Any, above: tuple[Any, ...]) -> RegisterInstrument:
    return RegisterInstrument(
        instrument=instrument,
        kind=Kind.ACT if under is None else Kind.DELEGATION,
        title="an instrument",
        office="an office",
        under=under,
        above=above,
        holder=holder,
        acts=tuple(Power),
        products=(),
        limit_g=None,
        limit_minor=None,
        currency=None,
        valid_from=date(2025, 1, 1),
        valid_until=date(2030, 12, 31),
        may_sub_delegate=True,
        endorsing=CEREMONY,
    )
