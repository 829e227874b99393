"""Clients at work: a desk that looks after rights, from the option to its end, and whose projects deliver as they please."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from services.inventory.domain.deliveries import DeliverAssignment, GiveBackAssignment, PostponeDelivery, SubstituteDelivery
from services.inventory.domain.programme import AgreeProgramme, PlannedTranche, outstanding
from services.inventory.domain.rights import AddRight, ExerciseRight, TerminateRight
from services.inventory.domain.state import Assignment, Stockpile
from services.inventory.events import Assay, RightTerms
from shared.journal.protocol import Document
from tests.simulation.client import Client
from tests.simulation.tables import UNIT_G
from tests.simulation.two_people import give

if TYPE_CHECKING:
    from tests.simulation.world import Running

ASSAY = Assay(report="A", laboratory="a laboratory", assayed_on=date(2026, 1, 1), contents={"Sb": "1"}, in_specification=True)
TERMS = RightTerms(notice_days=1, tolerance="0.3", grace_days=1, force_majeure_days=2, failures_to_terminate=1)


async def look_after_rights(client: Client, products: Sequence[Any], until_s: float) -> None:
    while client.world.loop.time() < until_s:
        await client.pause(0.8)
        product = client.dice.choice(products)
        state = await client.read("inventory", f"stockpile/{product}")
        if isinstance(state, Stockpile) and (command := _act(client, product, state, client.world.today())) is not None:
            await give(client, "inventory", f"stockpile/{product}", command)


def _act(client: Client, product: Any, state: Stockpile, today: date) -> Any:
    """What is to be done next; it may be refused, since things are otherwise by then."""
    if state.assigned and client.dice.random() < 0.4:
        return _of_assignment(client, product, client.dice.choice([owed for _, owed in sorted(state.assigned.items())]), today)
    if not state.rights or (len(state.rights) < 4 and client.dice.random() < 0.4):
        return _add(client, today)
    right = client.dice.choice(sorted(state.rights))
    if state.rights[right].kind != "firm_offtake":
        return ExerciseRight(right=right, deliver_from=today + timedelta(days=client.dice.randrange(0, 3)), on=today)
    match client.dice.randrange(4):
        case 0:
            return _plan(state, right, today)
        case 1:
            later = state.rights[right].window_to + timedelta(days=client.dice.randrange(1, 3))
            return PostponeDelivery(right=right, window_to=later, cause="force_majeure", evidence="a notice", on=today)
        case 2:
            return TerminateRight(right=right, cause=client.dice.choice(("agreed", "repeated_failure")), on=today)
        case _:
            return None


def _add(client: Client, today: date) -> AddRight:
    return AddRight(
        right=client.new_id("rgt"),
        project="another mine",
        kind=client.dice.choice(("option", "first_refusal", "firm_offtake")),
        mass_g=UNIT_G * client.dice.randrange(2, 9),
        window_from=today,
        window_to=today + timedelta(days=client.dice.randrange(1, 4)),
        terms=TERMS,
        on=today,
    )


def _plan(state: Stockpile, right: Any, today: date) -> AgreeProgramme | None:
    """Two tranches, if there are days for them."""
    found = outstanding(state, right)
    if found is None or found.mass_g < 2 * UNIT_G or found.window_to <= (first := max(today, found.window_from)):
        return None
    tranches = (
        PlannedTranche(window_from=first, window_to=first, mass_g=UNIT_G),
        PlannedTranche(window_from=first + timedelta(days=1), window_to=found.window_to, mass_g=found.mass_g - UNIT_G),
    )
    return AgreeProgramme(right=right, tranches=tranches, on=today)


def _of_assignment(client: Client, product: Any, owed: Assignment, today: date) -> Any:
    named = {"draw": owed.draw, "right": owed.right}
    mass_g = owed.mass_g if client.dice.random() < 0.3 else max(1, owed.mass_g * 3 // 4)
    match client.dice.randrange(5):
        case 0 | 1:
            whole_g = owed.mass_g // UNIT_G * UNIT_G
            return GiveBackAssignment(**named, partner=owed.partner, mass_g=whole_g or UNIT_G, on=today)
        case 2:
            return SubstituteDelivery(
                **named, mass_g=mass_g, substitute=product, delivered_g=mass_g, assay=ASSAY, delivered_on=today, on=today
            )
        case _:
            by_partner = client.dice.random() < 0.5  # else two people of the Reserve report it
            days = {"delivered_on": today, "reported_on": today, "on": today}
            partner = owed.partner if by_partner else None
            command = DeliverAssignment(**named, partner=partner, mass_g=mass_g, evidence="a receipt", **days)
            return _delivered(command) if by_partner else command


def _delivered(command: DeliverAssignment) -> Any:
    """On the day on which it is reported."""

    async def deliver(process: "Running", on: date) -> tuple[Any, tuple[Document, ...]]:
        return msgspec.structs.replace(command, delivered_on=on, reported_on=on, on=on), ()

    return deliver
